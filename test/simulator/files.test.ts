import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import Anthropic, { toFile } from '@anthropic-ai/sdk';
import { bench } from '../../testing/simulator-bench.ts';

describe('files through the real SDK', () => {
  test('a file is uploaded, listed, described and deleted', async () => {
    const { sdk } = bench();
    const bytes = new Uint8Array([0, 255, 10, 200]);
    const file = await sdk.files.upload({ file: await toFile(bytes, 'chart.png', { type: 'image/png' }) });
    assert.deepEqual(
      [file.filename, file.mime_type, file.size_bytes, file.downloadable],
      ['chart.png', 'image/png', 4, false],
    );
    const second = await sdk.files.upload({ file: await toFile(bytes, 'two.png') });
    const listed: string[] = [];
    for await (const each of sdk.files.list({ limit: 1 })) listed.push(each.id);
    assert.deepEqual(listed, [second.id, file.id]);
    assert.deepEqual(await sdk.files.retrieveMetadata(file.id), file);
    await sdk.files.delete(file.id);
    await assert.rejects(sdk.files.retrieveMetadata(file.id), Anthropic.NotFoundError);
  });

  test('what a user uploaded cannot be downloaded, as at the API', async () => {
    const { sdk } = bench();
    const { id } = await sdk.files.upload({ file: await toFile(Buffer.from('log'), 'log.txt') });
    await assert.rejects(sdk.files.download(id), { name: 'FileNotDownloadableError', status: 400 });
  });

  test('if the simulator is configured to, every byte comes back', async () => {
    const { sdk } = bench({ downloadableFiles: 'uploaded' });
    const bytes = new Uint8Array(Array.from({ length: 256 }, (_, byte) => byte));
    const { id } = await sdk.files.upload({ file: await toFile(bytes, 'all.bin') });
    const response = await sdk.files.download(id);
    assert.deepEqual(new Uint8Array(await response.arrayBuffer()), bytes);
  });
});

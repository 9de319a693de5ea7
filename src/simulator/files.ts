import type { Ask } from './ask.ts';
import { refusal } from './errors.ts';
import { json, jsonItem, refused, type Answered } from './exchange.ts';
import { cursorPage } from './batch-endpoints.ts';
import { wireId } from './scenario.ts';
import type { StoredFile, World } from './world.ts';

/** `POST /v1/files`: a multipart form with a `file`. */
export async function uploadFile(world: World, ask: Ask): Promise<Answered> {
  const file = await uploaded(ask.request);
  if (file === null) return refused(refusal('invalid_request', { message: 'file: Field required' }));
  const content = new Uint8Array(await file.arrayBuffer());
  const metadata = {
    type: 'file',
    id: wireId('file_011C', ask.random),
    filename: file.name,
    mime_type: file.type || 'application/octet-stream',
    size_bytes: content.length,
    created_at: new Date(world.clock.now()).toISOString(),
    downloadable: world.options.downloadableFiles === 'uploaded',
  };
  world.files.set(metadata.id, { metadata, content, organization: ask.caller.organization });
  return json(metadata);
}

async function uploaded(request: Request): Promise<File | null> {
  try {
    const file = (await request.formData()).get('file');
    return file instanceof File ? file : null;
  } catch {
    // Not a form, or a broken one: the client hears of it with a 400.
    return null;
  }
}

/** `GET /v1/files`, newest first. */
export function listFiles(world: World, ask: Ask): Answered {
  const own = [...world.files.values()].filter((file) => file.organization === ask.caller.organization).reverse();
  return json(
    cursorPage(
      own.map((file) => file.metadata),
      ask.url.searchParams,
    ),
  );
}

/** `GET /v1/files/{id}`. */
export function retrieveFile(world: World, ask: Ask): Answered {
  const file = found(world, ask);
  return file === null ? refused(refusal('not_found')) : json(file.metadata);
}

/** `GET /v1/files/{id}/content`. */
export function downloadFile(world: World, ask: Ask): Answered {
  const file = found(world, ask);
  if (file === null) return refused(refusal('not_found'));
  const message = 'The file is not downloadable.';
  if (!file.metadata.downloadable) {
    return refused(refusal('invalid_request', { message, errorCode: 'file_not_downloadable' }));
  }
  return { ...json(null), contentType: file.metadata.mime_type, items: [{ ...jsonItem(null), text: file.content }] };
}

/** `DELETE /v1/files/{id}`. */
export function deleteFile(world: World, ask: Ask): Answered {
  const file = found(world, ask);
  if (file === null) return refused(refusal('not_found'));
  world.files.delete(file.metadata.id);
  return json({ id: file.metadata.id, type: 'file_deleted' });
}

function found(world: World, ask: Ask): StoredFile | null {
  const file = world.files.get(ask.id);
  return file?.organization === ask.caller.organization ? (file ?? null) : null;
}

import type { Ask } from './ask.ts';
import { batchResults, cancelBatch, createBatch, deleteBatch, listBatches, retrieveBatch } from './batch-endpoints.ts';
import { refusal } from './errors.ts';
import { json, refused, type Answered } from './exchange.ts';
import { deleteFile, downloadFile, listFiles, retrieveFile, uploadFile } from './files.ts';
import { countTokens } from './message-endpoints.ts';
import { modelInfo, modelList, modelNamed } from './models.ts';
import { page } from './paging.ts';
import type { World } from './world.ts';

const ENDPOINTS: Readonly<Record<string, (world: World, ask: Ask) => Answered | Promise<Answered>>> = {
  'messages.count_tokens': countTokens,
  'messages.batches.create': createBatch,
  'messages.batches.list': listBatches,
  'messages.batches.retrieve': retrieveBatch,
  'messages.batches.cancel': cancelBatch,
  'messages.batches.delete': deleteBatch,
  'messages.batches.results': batchResults,
  'models.list': ({ clock }, ask) => json(page(modelList(clock.now()), ask.url.searchParams)),
  'models.retrieve': retrieveModel,
  'files.upload': uploadFile,
  'files.list': listFiles,
  'files.retrieve_metadata': retrieveFile,
  'files.download': downloadFile,
  'files.delete': deleteFile,
};

/** The answer of an endpoint that is not `/v1/messages` itself; a path that is not served is a 404. */
export async function endpoint(world: World, ask: Ask): Promise<Answered> {
  return (await ENDPOINTS[ask.operation]?.(world, ask)) ?? refused(refusal('not_found'));
}

function retrieveModel({ clock }: World, ask: Ask): Answered {
  const model = modelNamed(ask.id);
  if (model === undefined) return refused(refusal('not_found', { message: `model: ${ask.id}` }));
  return json(modelInfo(model, clock.now()));
}

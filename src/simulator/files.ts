import type { ApiRequest } from './api-request.ts';
import { refusal } from './errors.ts';
import { json, jsonItem, refused, type EndpointResult } from './exchange.ts';
import { cursorPage } from './batch-endpoints.ts';
import { wireId } from './scenario.ts';
import type { StoredFile, SimulatorState } from './state.ts';

/** `POST /v1/files`: a multipart form with a `file`. */
export async function uploadFile(state: SimulatorState, request: ApiRequest): Promise<EndpointResult> {
  const file = await uploaded(request.raw);
  if (file === null) return refused(refusal('invalid_request', { message: 'file: Field required' }));
  const content = new Uint8Array(await file.arrayBuffer());
  const metadata = {
    type: 'file',
    id: wireId('file_011C', request.random),
    filename: file.name,
    mime_type: file.type || 'application/octet-stream',
    size_bytes: content.length,
    created_at: new Date(state.clock.now()).toISOString(),
    downloadable: state.options.downloadableFiles === 'uploaded',
  };
  state.files.set(metadata.id, { metadata, content, organization: request.caller.organization });
  return json(metadata);
}

async function uploaded(request: Request): Promise<File | null> {
  try {
    const file = (await request.formData()).get('file');
    return file instanceof File ? file : null;
  } catch {
    // Not a form, or a broken one: the client gets a 400.
    return null;
  }
}

/** `GET /v1/files`, newest first. */
export function listFiles(state: SimulatorState, request: ApiRequest): EndpointResult {
  const own = [...state.files.values()].filter((file) => file.organization === request.caller.organization).reverse();
  return json(
    cursorPage(
      own.map((file) => file.metadata),
      request.url.searchParams,
    ),
  );
}

/** `GET /v1/files/{id}`. */
export function retrieveFile(state: SimulatorState, request: ApiRequest): EndpointResult {
  const file = found(state, request);
  return file === null ? refused(refusal('not_found')) : json(file.metadata);
}

/** `GET /v1/files/{id}/content`. */
export function downloadFile(state: SimulatorState, request: ApiRequest): EndpointResult {
  const file = found(state, request);
  if (file === null) return refused(refusal('not_found'));
  const message = 'The file is not downloadable.';
  if (!file.metadata.downloadable) {
    return refused(refusal('invalid_request', { message, errorCode: 'file_not_downloadable' }));
  }
  return { ...json(null), contentType: file.metadata.mime_type, items: [{ ...jsonItem(null), text: file.content }] };
}

/** `DELETE /v1/files/{id}`. */
export function deleteFile(state: SimulatorState, request: ApiRequest): EndpointResult {
  const file = found(state, request);
  if (file === null) return refused(refusal('not_found'));
  state.files.delete(file.metadata.id);
  return json({ id: file.metadata.id, type: 'file_deleted' });
}

function found(state: SimulatorState, request: ApiRequest): StoredFile | null {
  const file = state.files.get(request.id);
  return file?.organization === request.caller.organization ? (file ?? null) : null;
}

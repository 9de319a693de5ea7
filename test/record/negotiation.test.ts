import assert from 'node:assert/strict';
import { test } from 'node:test';
import { acceptsGzip, preferredFormat } from '../../src/record/negotiation.ts';

const PROMETHEUS_2 =
  'application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1';
const PROMETHEUS_3 =
  'application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,application/openmetrics-text;version=0.0.1;q=0.4,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.3,text/plain;version=0.0.4;q=0.2,*/*;q=0.1';
const BROWSER = 'text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8';

const FORMATS: readonly (readonly [accept: string | null, format: string])[] = [
  [null, 'text'],
  ['', 'text'],
  [PROMETHEUS_2, 'openmetrics'],
  [PROMETHEUS_3, 'openmetrics'],
  [BROWSER, 'text'],
  ['*/*', 'text'],
  ['text/*', 'text'],
  ['application/*', 'openmetrics'],
  ['application/openmetrics-text', 'openmetrics'],
  ['Application/OpenMetrics-Text; Version=1.0.0; charset=utf-8', 'openmetrics'],
  ['application/openmetrics-text; version="1.0.0"', 'openmetrics'],
  ['application/openmetrics-text; version=0.0.1', 'text'],
  ['application/openmetrics-text;q=0.5, text/plain;q=0.6', 'text'],
  ['text/plain;q=0.5, application/openmetrics-text;q=0.6', 'openmetrics'],
  ['application/openmetrics-text, text/plain', 'openmetrics'],
  ['text/plain, application/openmetrics-text', 'text'],
  ['application/openmetrics-text;q=0, */*', 'text'],
  ['text/plain;q=0, */*', 'openmetrics'],
  ['application/json', 'text'],
  ['application/openmetrics-text;q=nonsense', 'openmetrics'],
];
for (const [accept, format] of FORMATS) {
  test(`Accept ${JSON.stringify(accept)} is answered with ${format}`, () => {
    assert.equal(preferredFormat(accept), format);
  });
}

const ENCODINGS: readonly (readonly [acceptEncoding: string | null, gzip: boolean])[] = [
  [null, false],
  ['', false],
  ['gzip', true],
  ['GZIP;q=1.0', true],
  ['br, gzip;q=0.5', true],
  ['gzip;q=0', false],
  ['gzip;q=0, *', false],
  ['*', true],
  ['*;q=0', false],
  ['identity', false],
  ['br', false],
];
for (const [acceptEncoding, gzip] of ENCODINGS) {
  test(`Accept-Encoding ${JSON.stringify(acceptEncoding)} is answered ${gzip ? 'with' : 'without'} gzip`, () => {
    assert.equal(acceptsGzip(acceptEncoding), gzip);
  });
}

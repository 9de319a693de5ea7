import assert from 'node:assert/strict';
import test from 'node:test';
import { refusedTag, sectionOf } from '../../scripts/release-notes.ts';

const CHANGELOG = `# Changelog

## Unreleased

- Something new.

## 0.2.0 (2026-12-01)

- Two.

## 0.1.0

- One.
`;

test('the notes of a release are what the changelog says under its version', () => {
  assert.equal(sectionOf(CHANGELOG, '0.2.0'), '- Two.');
  assert.equal(sectionOf(CHANGELOG, '0.1.0'), '- One.');
  assert.equal(sectionOf(CHANGELOG, '0.1'), null);
});

test('a tag is refused that is not the version of package.json, or of which the changelog says nothing', () => {
  assert.equal(refusedTag('v0.2.0', { version: '0.2.0', changelog: CHANGELOG }), null);
  assert.match(refusedTag('0.2.0', { version: '0.2.0', changelog: CHANGELOG }) ?? '', /Expected the tag v0\.2\.0/);
  assert.match(refusedTag('v0.1.0', { version: '0.2.0', changelog: CHANGELOG }) ?? '', /Expected the tag v0\.2\.0/);
  assert.match(refusedTag('v0.3.0', { version: '0.3.0', changelog: CHANGELOG }) ?? '', /nothing under "## 0\.3\.0"/);
});

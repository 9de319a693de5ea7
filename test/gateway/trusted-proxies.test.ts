import assert from 'node:assert/strict';
import test from 'node:test';
import { LOCAL_PROXIES, isNetwork, trustedProxies } from '../../src/gateway/trusted-proxies.ts';

test('networks and single addresses are told from other texts', () => {
  for (const network of ['127.0.0.1', '10.0.0.0/8', '0.0.0.0/0', '::1', 'fd00::/8', '::ffff:10.0.0.1'])
    assert.equal(isNetwork(network), true, network);
  for (const text of ['', 'loopback', '10.0.0', '10.0.0.0/33', '10.0.0.0/', '::/129', '10.0.0.0/8/8', '1.2.3.4 '])
    assert.equal(isNetwork(text), false, text);
});

test('an address is trusted where a network has it, also in the form that a dual-stack socket shows', () => {
  const isTrusted = trustedProxies(['10.1.0.0/16', '192.0.2.7', 'fd00::/8', 'nonsense']);
  for (const address of ['10.1.2.3', '192.0.2.7', '::ffff:10.1.2.3', 'fd12::1']) assert.equal(isTrusted(address), true);
  for (const address of ['10.2.0.1', '192.0.2.8', '::ffff:10.2.0.1', 'fe80::1', '', 'x', undefined])
    assert.equal(isTrusted(address), false, address);
});

test('by default only this machine is trusted', () => {
  const isTrusted = trustedProxies(LOCAL_PROXIES);
  for (const address of ['127.0.0.1', '127.8.0.1', '::1', '::ffff:127.0.0.1']) assert.equal(isTrusted(address), true);
  for (const address of ['10.0.0.1', '128.0.0.1', '::2', '192.168.0.1']) assert.equal(isTrusted(address), false);
});

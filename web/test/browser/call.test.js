// A call in a real browser, with both ends in one page: what goes to the gateway's relay otherwise goes
// from one to the other. Negotiation, holding, cameras, screens, repairs.

import test from 'node:test';
import assert from 'node:assert/strict';
import { Stage } from './stage.js';

const stage = await Stage.open();
test.after(() => stage.close());
test.afterEach(() => stage.clear());

/** A page with `alice` and `bob` in a call, `until(what, condition)`, and `received(call, kind, field)`. */
async function talking({ video = false } = {}) {
  const page = await stage.blank();
  await page.goto(`http://${stage.host}/app/`);
  await page.evaluate(async (withVideo) => {
    const { Call } = await import('/app/js/calls/call.js');
    const peer = { name: 'peer', address: '@peer:h' };
    const iceServers = async () => [];
    window.refuse = () => false;
    window.problems = [];
    const carry = (to) => async (context) => {
      if (window.refuse(context)) throw new Error('refused');
      const copy = structuredClone({ candidates: [], ...context });
      if (copy.type === 'offer') window.bob = new Call({ id: 'c', peer, video: withVideo, offer: copy, send: carry(() => window.alice), iceServers });
      else queueMicrotask(() => to().handle(copy));
    };
    window.alice = new Call({ id: 'c', peer, video: withVideo, send: carry(() => window.bob), iceServers });
    window.alice.on('problem', (key) => window.problems.push(key));
    window.until = async (what, condition) => {
      const end = Date.now() + 20_000;
      while (!(await condition())) {
        if (Date.now() > end) throw new Error(`${what} did not come`);
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
    };
    window.received = async (call, kind, field) => {
      let sum = 0;
      for (const one of (await call.stats()).values()) if (one.type === 'inbound-rtp' && one.kind === kind) sum += one[field] ?? 0;
      return sum;
    };
    window.flows = async (call, kind, field = kind === 'audio' ? 'packetsReceived' : 'framesDecoded') => {
      const before = await window.received(call, kind, field);
      await window.until(`${kind}`, async () => (await window.received(call, kind, field)) > before + 5);
    };
    await window.alice.start();
    await window.until('the offer', () => window.bob);
    window.bob.ring();
    await window.until('ringing', () => window.alice.state === 'ringing');
    await window.bob.accept({ video: withVideo });
    await window.until('the connection', () => window.alice.state === 'connected' && window.bob.state === 'connected');
  }, video);
  return page;
}

test('voice becomes video, is held from both sides at once, and goes on', { timeout: 120_000 }, async () => {
  const page = await talking();
  await page.evaluate(async () => {
    const { alice, bob, until, flows } = window;
    await Promise.all([flows(alice, 'audio'), flows(bob, 'audio')]);
    alice.setMuted(true);
    await until('that alice is muted', () => bob.otherMuted.audio);
    await alice.setCamera(true);
    await until('the picture', () => bob.showsRemote && !alice.showsRemote);
    await flows(bob, 'video');
    await bob.setCamera(true);
    await flows(alice, 'video');
    await alice.hold(true);
    await until('that alice holds', () => bob.heldByOther && !bob.showsRemote);
    alice.hold(false);
    await until('that alice is back', () => !bob.heldByOther && bob.showsRemote && alice.showsRemote);
    alice.hold(true);
    bob.hold(true);
    await until('both holding', () => alice.held && bob.held && !alice.showsRemote && !bob.showsRemote);
    alice.hold(false);
    bob.hold(false);
    await until('both back', () => alice.showsRemote && bob.showsRemote && !alice.heldByOther && !bob.heldByOther);
    await Promise.all([flows(alice, 'audio'), flows(bob, 'audio'), flows(alice, 'video')]);
  });
  assert.deepEqual(page.problems, []);
});

test('the camera goes off and on again, the screen takes its place and gives it back', { timeout: 120_000 }, async () => {
  const page = await talking({ video: true });
  await page.evaluate(async () => {
    const { alice, bob, until, flows } = window;
    await flows(bob, 'video');
    await alice.setCamera(false);
    await until('that the camera is off', () => bob.otherMuted.video && !bob.showsRemote && !alice.preview);
    await alice.setCamera(true);
    await until('the camera', () => bob.showsRemote);
    await alice.setSharing(true);
    await until('the screen', () => alice.sharing);
    await flows(bob, 'video');
    await alice.setSharing(false);
    await until('the camera again', () => alice.preview && !alice.sharing);
    await flows(bob, 'video');
  });
});

test('a new way is found while the call goes on', { timeout: 120_000 }, async () => {
  const page = await talking();
  await page.evaluate(async () => {
    const { alice, bob, flows } = window;
    alice.restartIce();
    await flows(bob, 'audio');
    bob.restartIce();
    await Promise.all([flows(alice, 'audio'), flows(bob, 'audio')]);
  });
});

test('a change that is refused is undone, said, and leaves the call as it was', { timeout: 120_000 }, async () => {
  const page = await talking();
  const { problems, camera } = await page.evaluate(async () => {
    const { alice, bob, until, flows } = window;
    window.refuse = ({ type, sdp }) => type === 'update' && Boolean(sdp);
    await alice.setCamera(true);
    await until('the refusal', () => window.problems.length > 0);
    const camera = Boolean(alice.preview);
    window.refuse = () => false;
    await Promise.all([flows(alice, 'audio'), flows(bob, 'audio')]);
    await alice.setCamera(true);
    await flows(bob, 'video');
    return { problems: window.problems, camera };
  });
  assert.deepEqual([problems, camera], [['call.problem.refused'], false]);
});

test('hanging up lets go of the microphone on both sides', { timeout: 120_000 }, async () => {
  const page = await talking();
  const ends = await page.evaluate(async () => {
    window.alice.hangUp();
    await window.until('the end', () => window.bob.isOver);
    return [window.alice.end, window.bob.end, window.alice.lasted > 0];
  });
  assert.deepEqual(ends, ['hung-up', 'hung-up', true]);
});

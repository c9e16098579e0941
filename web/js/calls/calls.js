// The calls of a signed-in account: who rings, which one is going on. Frames in, frames out; one call at
// a time. Sounds and notifications begin here, what is seen is `ui/callview`'s business.
// Emits `change()` when `current` or `ringing` is another one.

import { Emitter } from '../events.js';
import { Call } from './call.js';
import { callFrame, readCall, newId } from '../protocol.js';
import { sound } from './ring.js';

/** The end of a call is shown for so many ms. */
const SHOWN_FOR = 4000;

export class Calls extends Emitter {
  /** The call that was made or accepted. */
  current = null;
  /** The call that waits to be accepted. */
  ringing = null;
  #client;
  #over = [];

  constructor(client) {
    super();
    this.#client = client;
    client.on('call', (frame) => this.#hear(frame));
    globalThis.addEventListener?.('pagehide', () => this.hangUp());
  }

  get isBusy() {
    return Boolean(this.current && !this.current.isOver);
  }

  async dial(address, name, video) {
    if (this.isBusy) return;
    const call = this.#make({ id: newId(), peer: { address, name }, video });
    this.current = call;
    this.#watch(call);
    this.emit('change');
    await call.findServers();
    await call.start();
  }

  async accept({ video }) {
    const call = this.ringing;
    if (!call) return;
    this.ringing = null;
    if (this.isBusy) this.current.hangUp();
    this.current = call;
    this.emit('change');
    await call.findServers();
    await call.accept({ video });
  }

  decline() {
    this.ringing?.hangUp();
  }

  hangUp() {
    this.current?.hangUp();
    this.ringing?.hangUp();
  }

  #make({ id, peer, video, offer }) {
    return new Call({
      id, peer, video, offer,
      send: (context, withVideo) => this.#client.socket.request(callFrame(context, { to: peer.address, video: withVideo }), { live: true }),
      iceServers: () => this.#client.api.iceServers(),
    });
  }

  #hear(frame) {
    const context = readCall(frame);
    if (!context) return;
    const known = [this.current, this.ringing].find((call) => call?.id === context.callId);
    if (known) {
      known.callPeer(frame.nickname);
      known.handle(context);
    } else if (context.type === 'offer' && !this.#over.includes(context.callId)) this.#ring(context, frame);
  }

  #ring(context, frame) {
    const conversation = this.#client.conversation(frame.from);
    const peer = { address: frame.from, name: frame.nickname || conversation.name };
    const call = this.#make({ id: context.callId, peer, video: context.video, offer: context });
    const crossing = this.#crosses(peer.address);
    if ((this.isBusy && !crossing) || this.ringing) {
      call.refuseBusy();
      return;
    }
    this.ringing = call;
    this.#watch(call);
    if (crossing) {
      // Both want to talk.
      this.accept({ video: this.current.video });
      return;
    }
    call.ring();
    this.emit('change');
    this.emit('rings', call);
  }

  /**
   * True if this account is calling that address at this moment. Of two such calls the gateway lets one
   * go on; ours may have been ended for it just now.
   */
  #crosses(address) {
    const { current } = this;
    return Boolean(current) && !current.incoming && !current.endedHere && current.since === null && current.peer.address === address;
  }

  #watch(call) {
    let [state, stop] = ['', () => {}];
    const sounds = { incoming: 'incoming', ringing: 'outgoing' };
    const onChange = () => {
      if (call.state === state) return;
      const before = state;
      state = call.state;
      stop();
      stop = sounds[state] ? sound(sounds[state]) : () => {};
      if (state !== 'ended') return;
      this.#over.push(call.id);
      this.#over.splice(0, this.#over.length - 50);
      if (this.ringing === call) this.ringing = null;
      if (call.end === 'busy') sound('busy');
      else if (before !== 'incoming') sound('over');
      this.emit('ended', call);
      this.emit('change');
      setTimeout(() => {
        if (this.current !== call) return;
        this.current = null;
        this.emit('change');
      }, SHOWN_FOR);
    };
    call.on('change', onChange);
    onChange();
  }
}


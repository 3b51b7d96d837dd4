// The line to the server: opens it, notices when it is dead, and keeps what has not been heard yet.
"use strict";

const BEAT_LIMIT = 45000; // the server beats every 20 s
const OPEN_LIMIT = 15000;
const HEARD_LIMIT = 20000;
const WAIT = {first: 500, most: 10000};

function unique() {
  const bytes = window.crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, byte => ("0" + byte.toString(16)).slice(-2)).join("");
}

/** Frames that the server has not acknowledged. A key for each, so that two tabs of a seat do not overwrite each other. */
class Unheard {
  constructor(seat) {
    this.prefix = "unheard:" + seat + ":";
    this.frames = this.load();
  }

  load() {
    try {
      const keys = Object.keys(localStorage).filter(key => key.startsWith(this.prefix));
      return keys.map(key => JSON.parse(localStorage.getItem(key))).sort((a, b) => a.since - b.since);
    } catch (error) {
      return []; // a phone may forbid storage: then a reload forgets what was waiting, and nothing else
    }
  }

  add(frame) {
    this.frames.push(frame);
    try { localStorage.setItem(this.prefix + frame.id, JSON.stringify(frame)); } catch (error) { /* as in load */ }
  }

  remove(id) {
    this.frames = this.frames.filter(frame => frame.id !== id);
    try { localStorage.removeItem(this.prefix + id); } catch (error) { /* as in load */ }
  }
}

class Connection {
  constructor(seat, onFrame, onState) {
    this.address = location.protocol.replace("http", "ws") + "//" + location.host + "/ws/" + seat;
    this.onFrame = onFrame;
    this.onState = onState;
    this.unheard = new Unheard(seat);
    this.after = 0;
    this.wait = WAIT.first;
    this.connected = false;
  }

  open() {
    this.keepStart();
    window.addEventListener("online", () => this.hurry());
    document.addEventListener("visibilitychange", () => this.look());
    setInterval(() => this.watch(), 5000);
    this.reopen();
  }

  reopen() {
    this.drop();
    this.heardAt = Date.now();
    this.socket = new WebSocket(this.address);
    this.socket.onopen = () => this.hello();
    this.socket.onmessage = event => this.take(JSON.parse(event.data));
    this.socket.onclose = () => this.lost();
  }

  // A dead socket reports its own end only after minutes; so it is let go, not waited for.
  drop() {
    clearTimeout(this.timer);
    this.connected = false;
    if (!this.socket) { return; }
    this.socket.onopen = this.socket.onmessage = this.socket.onclose = null;
    this.socket.close();
  }

  lost() {
    this.drop();
    this.onState("lost");
    this.timer = setTimeout(() => this.reopen(), this.wait);
    this.wait = Math.min(this.wait * 2, WAIT.most);
  }

  hello() {
    // A new chat greets by itself, unless it was opened by a link that says what for.
    const opening = this.unheard.frames.some(frame => frame.type === "open");
    this.socket.send(JSON.stringify({type: "hello", after: this.after, opening}));
    this.unheard.frames.forEach(one => this.transmit(one));
  }

  take(frame) {
    this.heardAt = Date.now();
    if (frame.seq) { this.after = Math.max(this.after, frame.seq); }
    this.onFrame(frame);
    if (frame.type === "welcome") { this.welcomed(); }
  }

  // A link's start is said like anything else, until it is heard: nobody must lose an invitation to a bad line.
  keepStart() {
    const start = new URLSearchParams(location.search).get("start");
    if (!start) { return; }
    this.unheard.add({type: "open", id: unique(), text: start.slice(0, 64), since: Date.now()});
    history.replaceState(null, "", location.pathname);
  }

  welcomed() {
    this.connected = true;
    this.wait = WAIT.first;
    this.onState("connected");
  }

  send(frame) {
    frame.since = Date.now();
    this.unheard.add(frame);
    if (this.socket.readyState === WebSocket.OPEN) { this.transmit(frame); }
  }

  transmit(frame) {
    frame.sentAt = Date.now();
    const {type, id, text, token, message} = frame;
    this.socket.send(JSON.stringify({type, id, text, token, message}));
  }

  watch() {
    const silent = Date.now() - this.heardAt;
    if (this.socket.onclose && silent > (this.connected ? BEAT_LIMIT : OPEN_LIMIT)) { this.lost(); }
    if (!this.connected) { return; }
    this.unheard.frames.filter(frame => Date.now() - frame.sentAt > HEARD_LIMIT).forEach(frame => this.transmit(frame));
  }

  look() {
    if (document.hidden) { return; }
    if (!this.connected || Date.now() - this.heardAt > BEAT_LIMIT / 2) { this.hurry(); }
  }

  hurry() {
    this.wait = WAIT.first;
    this.reopen();
  }
}

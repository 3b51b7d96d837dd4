// The line to the server: opens it, keeps it open, and holds back what has not been heard yet.
"use strict";

function unique() {
  var parts = new Uint32Array(4);
  window.crypto.getRandomValues(parts);
  return Array.prototype.map.call(parts, function (n) { return n.toString(36); }).join("-");
}

function Net(seat, onFrame, onState) {
  var self = this;
  var key = "unheard-" + seat;
  var socket = null, wait = 500, timer = null, lastHeard = 0;
  var start = new URLSearchParams(location.search).get("start");
  self.after = 0;
  self.unheard = load();

  function load() {
    try { return JSON.parse(localStorage.getItem(key)) || []; } catch (error) { return []; }
  }
  function save() {
    // A phone may forbid storage; then a reload forgets what was not sent, and nothing else.
    try { localStorage.setItem(key, JSON.stringify(self.unheard)); } catch (error) { return; }
  }
  function open() {
    clearTimeout(timer);
    onState("connecting");
    socket = new WebSocket((location.protocol === "https:" ? "wss://" : "ws://") + location.host + "/ws/" + seat);
    socket.onopen = opened;
    socket.onmessage = function (event) { lastHeard = Date.now(); onFrame(JSON.parse(event.data)); };
    socket.onclose = closed;
  }
  function opened() {
    wait = 500;
    lastHeard = Date.now();
    var hello = {type: "hello", after: self.after};
    if (start) {
      hello.start = start;
      start = null;
      history.replaceState(null, "", location.pathname);
    }
    socket.send(JSON.stringify(hello));
    self.unheard.forEach(function (frame) { socket.send(JSON.stringify(frame)); });
    onState("connected");
  }
  function closed() {
    onState("lost");
    clearTimeout(timer);
    timer = setTimeout(open, wait);
    wait = Math.min(wait * 2, 10000);
  }
  function hurry() {
    if (!socket || socket.readyState > 1) { wait = 500; open(); }
  }

  self.isOpen = function () { return socket !== null && socket.readyState === 1; };
  self.send = function (frame) {
    self.unheard.push(frame);
    save();
    if (self.isOpen()) { socket.send(JSON.stringify(frame)); }
  };
  self.heard = function (id) {
    self.unheard = self.unheard.filter(function (frame) { return frame.id !== id; });
    save();
  };
  self.start = function () {
    window.addEventListener("online", hurry);
    document.addEventListener("visibilitychange", function () { if (!document.hidden) { hurry(); } });
    // A phone that slept keeps a dead socket; the server's beat tells.
    setInterval(function () { if (self.isOpen() && Date.now() - lastHeard > 45000) { socket.close(); } }, 5000);
    open();
  };
}

// The page: shows lines, takes words, buttons and files.
"use strict";
(function () {
  var LARGEST = 20 * 1024 * 1024;
  var words = WORDS.vi;
  var seat = document.querySelector('meta[name="seat"]').content;
  var log = byId("log"), text = byId("text"), newest = byId("newest"), file = byId("file");
  var lines = {};
  var net = new Net(seat, onFrame, onState);

  function byId(id) { return document.getElementById(id); }
  function make(tag, name, words) {
    var node = document.createElement(tag);
    if (name) { node.className = name; }
    if (words) { node.textContent = words; }
    return node;
  }

  // --- frames from the server
  function onFrame(frame) {
    var take = {welcome: onWelcome, line: onLine, edit: onEdit, heard: onHeard, error: onError}[frame.type];
    if (take) { take(frame); }
  }
  function onWelcome(frame) {
    words = WORDS[frame.lang] || WORDS.vi;
    document.documentElement.lang = frame.lang;
    document.title = byId("title").textContent = words.title;
    text.placeholder = byId("text-label").textContent = words.text;
    byId("send").textContent = words.send;
    byId("attach").title = words.attach;
    byId("attach").setAttribute("aria-label", words.attach);
    newest.textContent = words.newest;
    log.setAttribute("aria-label", words.log);
    onState("connected");
  }
  function onLine(frame) {
    net.after = Math.max(net.after, frame.seq || 0);
    var name = frame.from + frame.id;
    if (lines[name]) { return state(name, words.received); }
    var near = isNearEnd();
    var node = add(name, frame.from, frame.text, frame);
    if (frame.buttons) { showButtons(node, frame.id, frame.buttons); }
    if (frame.at) { state(name, new Date(frame.at).toLocaleTimeString([], {hour: "2-digit", minute: "2-digit"})); }
    follow(near);
  }
  function onEdit(frame) {
    var node = lines["bot" + frame.id];
    if (!node) { return; }
    var near = isNearEnd();
    if (frame.text !== null) { fill(node.querySelector(".bubble"), frame.text, {}); }
    showButtons(node, frame.id, frame.buttons);
    follow(near);
  }
  function onHeard(frame) {
    net.heard(frame.id);
    state("me" + frame.id, words.received);
    release(frame.id);
  }
  function onError(frame) {
    net.heard(frame.id);
    release(frame.id);
    if (lines["me" + frame.id]) { state("me" + frame.id, frame.text, true); } else { notice(frame.text); }
  }
  function onState(name) {
    byId("state").textContent = words[name];
    if (name === "connected") { net.unheard.forEach(showUnheard); }
  }

  // --- lines
  function add(name, from, words, extras) {
    var node = make("div", "line " + from);
    fill(node.appendChild(make("div", "bubble")), words, extras || {});
    node.appendChild(make("div", "meta"));
    lines[name] = log.appendChild(node);
    return node;
  }
  function fill(bubble, said, extras) {
    bubble.textContent = "";
    if (extras.photo) {
      var image = bubble.appendChild(make("img"));
      image.alt = words.photo;
      image.onload = function () { follow(isNearEnd(image.height + 80)); };
      image.src = extras.photo;
    }
    if (extras.file) { bubble.appendChild(link(extras.file.url, words.file + ": " + extras.file.name)); }
    said.split(/(https?:\/\/[^\s]+)/).forEach(function (part, number) {
      bubble.appendChild(number % 2 ? link(part, part) : document.createTextNode(part));
    });
  }
  function link(url, words) {
    var node = make("a", "", words);
    node.href = url;
    node.rel = "noopener";
    node.target = "_blank";
    return node;
  }
  function state(name, said, bad) {
    if (!lines[name]) { return; }
    var meta = lines[name].querySelector(".meta");
    meta.textContent = said;
    meta.className = bad ? "meta bad" : "meta";
  }
  function notice(said) {
    log.appendChild(make("p", "notice", said)).setAttribute("role", "alert");
    follow(true);
  }
  function showUnheard(frame) {
    if (frame.type === "say" && !lines["me" + frame.id]) { add("me" + frame.id, "me", frame.text); }
    state("me" + frame.id, words.sending);
  }
  function isNearEnd(slack) {
    var last = log.lastElementChild;
    return !last || last.offsetTop - log.scrollTop < log.clientHeight + (slack || 0);
  }
  function follow(near) {
    var last = log.lastElementChild;
    // A question taller than the screen is read from its top.
    if (near && last) { log.scrollTop = Math.min(last.offsetTop - 8, log.scrollHeight - log.clientHeight); }
    newest.hidden = near;
  }

  // --- buttons
  function showButtons(node, id, rows) {
    var old = node.querySelector(".buttons");
    if (old) { node.removeChild(old); }
    if (!rows.length) { return; }
    var box = make("div", "buttons");
    rows.forEach(function (row) {
      var line = box.appendChild(make("div", "row"));
      row.forEach(function (one) {
        var button = line.appendChild(make("button", "", one.label));
        button.type = "button";
        button.onclick = function () { press(box, button, id, one.token); };
      });
    });
    node.insertBefore(box, node.querySelector(".meta"));
  }
  function press(box, button, id, token) {
    var frame = {type: "press", id: unique(), token: token, message: id};
    box.setAttribute("data-press", frame.id);
    button.className = "pressed";
    button.setAttribute("aria-pressed", "true");
    eachButton(box, function (one) { one.disabled = true; });
    setTimeout(function () { release(frame.id); }, 5000);
    net.send(frame);
  }
  function release(id) {
    var box = log.querySelector('.buttons[data-press="' + id + '"]');
    if (box) { eachButton(box, function (one) { one.disabled = false; one.className = ""; one.removeAttribute("aria-pressed"); }); }
  }
  function eachButton(box, work) { Array.prototype.forEach.call(box.querySelectorAll("button"), work); }

  // --- the composer
  function say() {
    var said = text.value.trim();
    if (!said) { return; }
    var frame = {type: "say", id: unique(), text: said};
    add("me" + frame.id, "me", said);
    state("me" + frame.id, net.isOpen() ? words.sending : words.waiting);
    text.value = "";
    grow();
    follow(true);
    net.send(frame);
  }
  function grow() {
    text.style.height = "auto";
    text.style.height = text.scrollHeight + "px";
  }
  function upload(chosen, id) {
    var name = "me" + id;
    if (!lines[name]) { add(name, "me", (/^image\//.test(chosen.type) ? words.photo : words.file) + ": " + chosen.name); }
    follow(true);
    if (chosen.size > LARGEST) { return state(name, words.large, true); }
    state(name, words.uploading);
    var form = new FormData();
    form.append("file", chosen, chosen.name);
    fetch("/upload/" + seat + "?id=" + id, {method: "POST", body: form}).then(function (answer) {
      return answer.json().then(function (body) { return body.error ? Promise.reject(body.error) : body; });
    }).then(function () {
      state(name, words.received);
    }).catch(function (error) {
      state(name, typeof error === "string" ? error : words.failed, true);
      offerAgain(name, chosen, id);
    });
  }
  function offerAgain(name, chosen, id) {
    var again = make("button", "", words.again);
    again.type = "button";
    again.onclick = function () { lines[name].removeChild(again); upload(chosen, id); };
    lines[name].appendChild(again);
  }

  byId("composer").onsubmit = function (event) { event.preventDefault(); say(); };
  text.oninput = grow;
  text.onkeydown = function (event) {
    // While an input method composes a letter with its tone mark, Enter belongs to it.
    if (event.key === "Enter" && !event.shiftKey && !event.isComposing) { event.preventDefault(); say(); }
  };
  byId("attach").onclick = function () { file.click(); };
  file.onchange = function () {
    if (file.files[0]) { upload(file.files[0], unique()); }
    file.value = "";
  };
  newest.onclick = function () { follow(true); };
  log.onscroll = function () { if (isNearEnd()) { newest.hidden = true; } };
  net.start();
})();

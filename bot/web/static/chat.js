// The page: shows lines, takes words, buttons and files. net.js speaks with the server.
"use strict";

const WORDS = {
  vi: {
    locale: "vi-VN", title: "Trợ lý khuyến học", connecting: "Đang kết nối…", connected: "Đã kết nối", lost: "Mất mạng, đang thử lại…",
    text: "Nhập tin nhắn", send: "Gửi", attach: "Gửi ảnh hoặc tệp", newest: "Tin mới ↓", more: "Xem tiếp ↓",
    log: "Tin nhắn", skip: "Tới ô nhập tin nhắn", bot: "Trợ lý:", me: "Tôi:", photo: "Ảnh", file: "Tệp",
    empty: "Ông/bà nhắn “xin chào” để bắt đầu ạ.",
    sending: "đang gửi", received: "đã nhận", waiting: "chờ có mạng, sẽ tự gửi", uploading: "đang gửi tệp", again: "Gửi lại",
    failed: "Chưa gửi được tệp. Ông/bà xem lại mạng rồi bấm “Gửi lại” giúp ạ.",
    large: "Tệp lớn quá 20 MB, ông/bà gửi ảnh nhỏ hơn giúp ạ.",
  },
  en: {
    locale: "en-GB", title: "Learning assistant", connecting: "Connecting…", connected: "Connected", lost: "No connection, trying again…",
    text: "Type a message", send: "Send", attach: "Send a photo or file", newest: "New message ↓", more: "Read on ↓",
    log: "Messages", skip: "Go to the message box", bot: "Assistant:", me: "Me:", photo: "Photo", file: "File",
    empty: "Say “hello” to begin.",
    sending: "sending", received: "received", waiting: "will be sent when connected", uploading: "sending the file", again: "Send again",
    failed: "The file was not sent. Please check the connection and press “Send again”.",
    large: "The file is larger than 20 MB. Please send a smaller photo.",
  },
};
const LARGEST_FILE = 20 * 1024 * 1024; // bytes, as the server has it
const BUTTON_REST = 5000;
const ONE_TURN = 3000; // what arrives within this time is read as one answer

const byId = id => document.getElementById(id);
const seat = document.querySelector('meta[name="seat"]').content;
const view = byId("view"), log = byId("log"), text = byId("text"), newest = byId("newest"), typing = byId("typing");
const lines = new Map(); // "bot:123" or "me:<id>" -> {node, bubble, foot, time, state}
let words = WORDS.vi;
let connectionState = "connecting";

// --- What the server says

const onFrame = {
  welcome(frame) {
    const lang = WORDS[frame.lang] ? frame.lang : "vi";
    words = WORDS[lang];
    document.documentElement.lang = lang;
    document.title = byId("title").textContent = frame.title || words.title;
    relabel();
    log.dataset.empty = words.empty;
  },
  line(frame) {
    rest();
    if (frame.from === "me") { showOwn(frame); } else { showBot(frame); }
  },
  edit(frame) {
    const line = lines.get("bot:" + frame.id);
    if (!line) { return; }
    if (typeof frame.text === "string") { fill(line.bubble, frame.text); }
    showButtons(line, frame.id, frame.buttons || []);
  },
  heard(frame) {
    settle(frame.id);
    // The edit that answers a button follows at once; opening the buttons for that blink would only flicker.
    setTimeout(() => release(frame.id), 600);
  },
  error(frame) {
    const line = lines.get("me:" + frame.id);
    const said = connection.unheard.frames.find(one => one.id === frame.id && one.type === "say");
    // What a link opens is said again until it is heard; everything else the person may say again.
    if (!connection.unheard.frames.some(one => one.id === frame.id && one.type === "open")) { connection.unheard.remove(frame.id); }
    release(frame.id);
    if (line) { tell(line, frame.text, true); } else { notice(frame.text); }
    if (said) { offerAgain(line, () => speak(said)); }
  },
  typing() {
    typing.hidden = false;
    clearTimeout(rest.timer);
    rest.timer = setTimeout(rest, 5000);
    stay();
  },
};

function rest() {
  typing.hidden = true;
}

function relabel() {
  for (const [id, word] of [["send", "send"], ["skip", "skip"], ["photo", "photo"]]) { byId(id).textContent = words[word]; }
  for (const [id, word] of [["text", "text"], ["attach", "attach"], ["log", "log"]]) { byId(id).setAttribute("aria-label", words[word]); }
  text.placeholder = words.text;
  byId("attach").title = words.attach;
}

function onState(name) {
  connectionState = name;
  byId("state").dataset.state = name;
  byId("state").textContent = words[name];
  connection.unheard.frames.forEach(showUnheard);
}

// --- Lines

function showBot(frame) {
  const name = "bot:" + frame.id;
  const line = lines.get(name) || add(name, "bot", frame.text, frame);
  when(line, frame.at || Date.now());
  showButtons(line, frame.id, frame.buttons || []);
  arrived(line, Date.parse(frame.at));
}

function showOwn(frame) {
  const name = "me:" + frame.id;
  const line = lines.get(name) || add(name, "me", frame.text, frame);
  when(line, frame.at || Date.now());
  settle(frame.id);
  arrived(line, Date.parse(frame.at));
}

function showUnheard(frame) {
  if (frame.type === "open") { return; }
  const name = "me:" + frame.id;
  const line = lines.get(name) || add(name, "me", frame.text || frame.label, {});
  const connected = connectionState === "connected";
  if (!connected) { line.node.classList.add("waiting"); }
  when(line, frame.since);
  tell(line, connected ? words.sending : words.waiting);
}

function add(name, from, said, extras) {
  const node = make("div", "line " + from);
  node.appendChild(make("span", "unseen", words[from]));
  const line = {node, bubble: node.appendChild(make("div", "bubble")), foot: node.appendChild(make("p", "foot"))};
  line.time = line.foot.appendChild(make("time"));
  line.state = line.foot.appendChild(make("span", "state"));
  fill(line.bubble, said, extras);
  lines.set(name, line);
  // What I said without a connection has not been heard yet, so what the server said before stays above it.
  log.insertBefore(node, extras.seq || extras.at ? log.querySelector(".waiting") : null);
  return line;
}

function make(tag, name, said) {
  const node = document.createElement(tag);
  if (name) { node.className = name; }
  if (said) { node.textContent = said; }
  return node;
}

function fill(bubble, said, extras) {
  const kept = extras ? [] : Array.from(bubble.querySelectorAll(".photo, .file"));
  bubble.textContent = "";
  kept.forEach(node => bubble.appendChild(node));
  if (extras && extras.photo) { bubble.appendChild(photo(extras.photo)); }
  if (extras && extras.file) { bubble.appendChild(link(extras.file.url, words.file + ": " + extras.file.name, "file")); }
  linked(said || "").forEach(node => bubble.appendChild(node));
}

function linked(said) {
  return said.split(/(https?:\/\/[^\s<>"“”]*[^\s<>"“”.,;:!?)\]])/).map((part, number) =>
    number % 2 ? link(part, part) : document.createTextNode(part));
}

function link(url, said, name) {
  const node = make("a", name, said);
  node.target = "_blank";
  node.rel = "noopener noreferrer";
  if (/^https?:\/\//.test(url) || isOurs(url)) { node.href = url; }
  return node;
}

function isOurs(url) {
  return /^(blob:|\/(?!\/))/.test(url);
}

function photo(url) {
  const frame = link(url, "", "photo");
  const image = frame.appendChild(make("img"));
  image.alt = words.photo;
  if (isOurs(url)) { image.src = url; }
  return frame;
}

function when(line, at) {
  const date = new Date(at);
  const show = options => date.toLocaleString(words.locale, Object.assign({timeZone: "Asia/Ho_Chi_Minh"}, options));
  const clock = show({hour: "2-digit", minute: "2-digit", hour12: false});
  const today = date.toDateString() === new Date().toDateString();
  line.time.textContent = today ? clock : show({day: "numeric", month: "numeric"}) + ", " + clock;
  line.time.dateTime = date.toISOString();
}

function settle(id) {
  const line = lines.get("me:" + id);
  connection.unheard.remove(id);
  if (!line) { return; }
  line.node.classList.remove("waiting");
  tell(line, words.received);
}

function tell(line, said, bad) {
  // Read aloud only what went wrong, not every "received".
  line.state.setAttribute("aria-live", bad ? "assertive" : "off");
  line.state.textContent = said;
  line.node.classList.toggle("bad", Boolean(bad));
  if (bad) { line.node.classList.remove("waiting"); }
}

function notice(said) {
  arrived({node: log.appendChild(make("p", "notice", said))});
}

// --- Where the eye is: an answer is shown from its beginning, and somebody who reads above is left alone

// follows: the person has not scrolled away; whole: the newest line is seen to its end; anchor: the line where this turn began
const eye = {follows: true, whole: true, anchor: null, newest: null, at: NaN, arrived: 0, placed: 0, due: false};

function atEnd() {
  return view.scrollHeight - view.scrollTop - view.clientHeight < 60;
}

function arrived(line, at) {
  const pause = Date.now() - eye.arrived;
  eye.arrived = Date.now();
  if (!eye.follows || (!eye.whole && pause > ONE_TURN)) { offer(words.newest); return; }
  const apart = isNaN(at - eye.at) ? pause : at - eye.at;
  if (!eye.anchor || apart > ONE_TURN) { Object.assign(eye, {anchor: line.node, at}); }
  if (isNaN(eye.at)) { eye.at = at; }
  eye.newest = line.node;
  placeSoon();
}

function own(line) {
  Object.assign(eye, {anchor: line.node, newest: line.node, at: NaN, arrived: Date.now(), follows: true});
  placeSoon();
}

// A long history comes line by line; measuring the page after each would take an old phone seconds.
function placeSoon() {
  if (!eye.due) { requestAnimationFrame(place); }
  eye.due = true;
}

function place() {
  eye.due = false;
  if (!eye.anchor) { return; }
  // However much came at once, the newest begins within sight.
  if (eye.newest.offsetTop - eye.anchor.offsetTop > view.clientHeight * 0.8) { eye.anchor = eye.newest; }
  view.scrollTop = Math.max(0, eye.anchor.offsetTop - 12);
  eye.placed = view.scrollTop;
  eye.whole = atEnd();
  if (eye.whole) { newest.hidden = true; } else { offer(words.more); }
}

// A photo has loaded, a keyboard has opened, an edit has taken buttons away: the eye stays where it was.
function stay() {
  if (eye.due) { return; }
  if (!eye.whole) { place(); return; }
  view.scrollTop = view.scrollHeight;
  eye.placed = view.scrollTop;
}

function onScroll() {
  if (eye.due || Math.abs(view.scrollTop - eye.placed) < 2) { return; }
  eye.follows = eye.whole = atEnd();
  eye.anchor = null; // from here on the person has chosen the place
  if (eye.whole) { newest.hidden = true; }
}

function offer(said) {
  newest.textContent = said;
  newest.hidden = false;
}

function readOn() {
  view.scrollTop += newest.textContent === words.more ? view.clientHeight * 0.8 : view.scrollHeight;
}

// --- Buttons of the assistant's messages

function showButtons(line, message, rows) {
  const old = line.node.querySelector(".buttons");
  const box = make("div", "buttons");
  rows.filter(row => row.length).forEach(row => box.appendChild(buttonRow(box, row, message)));
  if (old && old.contains(document.activeElement)) { keepPlace(line.bubble); }
  if (old) { old.remove(); }
  if (box.firstChild) { line.node.insertBefore(box, line.foot); }
}

// Whoever goes by keyboard stands on a button that is about to vanish; the next Tab must lead on from here.
function keepPlace(bubble) {
  bubble.tabIndex = -1;
  bubble.focus({preventScroll: true});
}

function buttonRow(box, row, message) {
  const node = make("div", "row");
  row.forEach(({label, token}) => {
    const button = node.appendChild(make("button", "", label));
    button.type = "button";
    button.addEventListener("click", () => press(box, button, {type: "press", label, token, message}));
  });
  return node;
}

function press(box, button, frame) {
  const same = one => one.type === "press" && one.message === frame.message && one.token === frame.token;
  const waiting = connection.unheard.frames.find(same);
  if (box.dataset.press) { return; }
  if (waiting) { own(lines.get("me:" + waiting.id)); return; }
  frame.id = box.dataset.press = unique();
  button.classList.add("pressed");
  button.setAttribute("aria-pressed", "true");
  // A disabled button loses the keyboard's place, so the pressed one only says that it is; data-press closes it.
  button.setAttribute("aria-disabled", "true");
  box.querySelectorAll("button").forEach(one => { one.disabled = one !== button; });
  setTimeout(() => release(frame.id), BUTTON_REST);
  speak(frame);
}

function release(id) {
  const box = log.querySelector('.buttons[data-press="' + id + '"]');
  if (!box) { return; }
  delete box.dataset.press;
  box.querySelectorAll("button").forEach(one => {
    one.disabled = false;
    one.classList.remove("pressed");
    one.removeAttribute("aria-pressed");
    one.removeAttribute("aria-disabled");
  });
}

// --- What I say

function speak(frame) {
  connection.send(frame);
  showUnheard(frame);
  own(lines.get("me:" + frame.id));
}

function say() {
  const said = text.value.trim();
  text.value = "";
  grow();
  if (said) { speak({type: "say", id: unique(), text: said}); }
}

function grow() {
  text.style.height = "auto";
  text.style.height = text.scrollHeight + 2 + "px"; // the border
}

let shift = false;

function onKey(event) {
  shift = event.shiftKey;
  // While an input method composes a letter with its tone mark, Enter belongs to it.
  if (event.key === "Enter" && !shift && !event.isComposing) { event.preventDefault(); say(); }
}

// Some touch keyboards tell of Enter only by the line break that they wrote.
function onInput(event) {
  grow();
  if (shift || !/^insert(LineBreak|Paragraph)$/.test(event.inputType)) { return; }
  text.value = text.value.slice(0, text.selectionStart - 1) + text.value.slice(text.selectionStart);
  say();
}

// --- Files

function send(file) {
  const id = unique();
  const line = add("me:" + id, "me", /^image\//.test(file.type) ? "" : words.file + ": " + file.name, {});
  if (/^image\//.test(file.type)) { preview(line.bubble, file); }
  when(line, Date.now());
  own(line);
  if (file.size > LARGEST_FILE) { tell(line, words.large, true); } else { upload(line, file, id); }
}

function preview(bubble, file) {
  const shown = bubble.appendChild(photo(URL.createObjectURL(file)));
  // Not every browser can show what every phone takes (HEIC); the name does.
  shown.firstChild.onerror = () => { bubble.textContent = words.photo + ": " + file.name; };
}

function upload(line, file, id) {
  const request = new XMLHttpRequest(); // fetch does not tell how far it is
  const form = new FormData();
  form.append("file", file, file.name);
  request.upload.onprogress = event => tell(line, words.uploading + " " + Math.floor(100 * event.loaded / event.total) + "%");
  request.onload = () => request.status === 200 ? settle(id) : refused(line, file, id, sentence(request));
  request.onerror = () => refused(line, file, id, words.failed);
  request.open("POST", "/upload/" + seat + "?id=" + id);
  tell(line, words.uploading);
  request.send(form);
}

function sentence(request) {
  try { return JSON.parse(request.responseText).error || words.failed; } catch (error) { return words.failed; }
}

function refused(line, file, id, said) {
  tell(line, said, true);
  offerAgain(line, () => upload(line, file, id));
}

function offerAgain(line, work) {
  const again = line.node.appendChild(make("button", "again", words.again));
  again.type = "button";
  again.addEventListener("click", () => { keepPlace(line.bubble); again.remove(); work(); });
  stay();
}

// --- Start

const connection = new Connection(seat, frame => onFrame[frame.type] && onFrame[frame.type](frame), onState);

byId("composer").addEventListener("submit", event => { event.preventDefault(); say(); text.focus(); });
byId("attach").addEventListener("click", () => byId("file").click());
byId("file").addEventListener("change", event => {
  Array.from(event.target.files).forEach(send);
  event.target.value = "";
});
text.addEventListener("keydown", onKey);
text.addEventListener("input", onInput);
newest.addEventListener("click", readOn);
view.addEventListener("scroll", onScroll);
const size = new ResizeObserver(stay);
size.observe(view);
size.observe(log);
onState("connecting");
connection.open();

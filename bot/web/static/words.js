// Every word of the page itself; what the bot says comes from the server.
"use strict";
var WORDS = {
  vi: {
    title: "Trợ lý khuyến học", connecting: "Đang kết nối…", connected: "Đã kết nối", lost: "Mất mạng, đang thử lại…",
    sending: "đang gửi", received: "đã nhận", waiting: "chờ có mạng sẽ gửi", text: "Nhập tin nhắn", send: "Gửi",
    attach: "Gửi ảnh hoặc tệp", newest: "Tin mới ↓", log: "Tin nhắn", again: "Gửi lại", uploading: "đang gửi tệp",
    large: "Tệp lớn quá 20 MB, ông/bà gửi ảnh nhỏ hơn giúp ạ.", failed: "Chưa gửi được tệp.", photo: "Ảnh", file: "Tệp"
  },
  en: {
    title: "Learning assistant", connecting: "Connecting…", connected: "Connected", lost: "No connection, trying again…",
    sending: "sending", received: "received", waiting: "will be sent when connected", text: "Type a message", send: "Send",
    attach: "Send a photo or file", newest: "New ↓", log: "Messages", again: "Send again", uploading: "sending the file",
    large: "The file is larger than 20 MB. Please send a smaller photo.", failed: "The file was not sent.", photo: "Photo", file: "File"
  }
};

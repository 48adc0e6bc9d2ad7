// Puts the chat into another site:
//
//   <script src="https://support.example.com/chat/embed.js" data-title="Ask us" defer></script>
//
// The platform must allow that site in A2A_EMBED_ORIGINS. Where customers sign in, the site hands their token over:
//
//   a2aChat.token = await tokenOfYours();   // any time before the chat is opened

(() => {
  const script = document.currentScript;
  const origin = new URL(script.src).origin;
  const title = script.dataset.title ?? "Chat with us";
  const frame = document.createElement("iframe");
  const button = document.createElement("button");
  const chat = {
    token: "",
    open() {
      if (!frame.src) frame.src = `${origin}/?embed`;
      frame.hidden = false;
      button.setAttribute("aria-expanded", "true");
      frame.focus();
    },
    close() {
      frame.hidden = true;
      button.setAttribute("aria-expanded", "false");
    },
  };
  window.a2aChat = chat;

  frame.title = title;
  frame.hidden = true;
  frame.allow = "clipboard-write";
  Object.assign(frame.style, {
    position: "fixed", right: "20px", bottom: "84px", width: "min(400px, calc(100vw - 40px))",
    height: "min(640px, calc(100vh - 120px))", border: "1px solid #0003", borderRadius: "16px",
    boxShadow: "0 12px 48px #0004", zIndex: "2147483000", background: "Canvas",
  });
  button.type = "button";
  button.textContent = title;
  button.setAttribute("aria-expanded", "false");
  Object.assign(button.style, {
    position: "fixed", right: "20px", bottom: "20px", minHeight: "48px", padding: "0 20px", border: "0", borderRadius: "24px",
    background: "#1f5fd0", color: "#fff", font: "600 16px system-ui, sans-serif", cursor: "pointer", zIndex: "2147483000",
  });
  button.addEventListener("click", () => (frame.hidden ? chat.open() : chat.close()));
  addEventListener("message", ({ source, origin: from, data }) => {
    if (source !== frame.contentWindow || from !== origin || data?.kind !== "a2a-chat-ready") return;
    frame.contentWindow.postMessage({ kind: "a2a-chat-token", token: chat.token }, origin);
  });
  document.body.append(frame, button);
})();

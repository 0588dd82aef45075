// A page as schools have them: stompjs as it is, one durable subscription, ack:auto. It keeps a log of what its own
// code has seen, in the session so that it outlives a page that is loaded anew.

const seen = JSON.parse(sessionStorage.getItem("seen") ?? "[]");
const events = [];
let subscribed = 0;

const client = new StompJs.Client({
  brokerURL: `ws://${location.host}/ws`,
  connectHeaders: { login: "alice" },
  heartbeatIncoming: 1000,
  heartbeatOutgoing: 1000,
  reconnectDelay: 500,
});
client.onConnect = () => {
  client.watchForReceipt("subscribed", () => (subscribed += 1));
  client.subscribe("/topic/7b/quiz", ({ body }) => see(body), { id: "lesson", durable: "true", receipt: "subscribed" });
};
client.onWebSocketClose = ({ code }) => events.push(`close ${code}`);
client.onStompError = ({ headers }) => events.push(`error ${headers.message}`);
addEventListener("pageshow", ({ persisted }) => persisted && events.push("back from the cache"));
client.activate();

function see(body) {
  seen.push(body);
  sessionStorage.setItem("seen", JSON.stringify(seen));
}

/** Keeps the main thread busy. The site is told at the beginning; the caller has its answer before. */
function beBusy(milliseconds) {
  setTimeout(() => {
    const word = new XMLHttpRequest();
    word.open("GET", "/busy", false);
    word.send();
    const end = performance.now() + milliseconds;
    while (performance.now() < end);
    events.push("free again");
  }, 0);
}

// A viewer of the event stream that costs little itself: it counts bytes and events, and reads only if asked to.
import { connect } from "node:net";

/**
 * Opens `path` of the console at `url`. Gives { bytes, events, ended, close }, which go on counting. `bytes` are those of the
 * TCP stream, headers included. `onText(text)`, if given, gets what comes.
 */
export async function view(url, path, cookie, onText) {
  const { hostname, port, host } = new URL(url);
  const socket = connect({ host: hostname, port: Number(port) });
  const viewer = { bytes: 0, events: 0, ended: null, close: () => socket.destroy() };
  await new Promise((resolve, reject) => {
    socket.once("error", reject);
    socket.once("connect", () =>
      socket.write(`GET ${path} HTTP/1.1\r\nhost: ${host}\r\naccept: text/event-stream\r\ncookie: ${cookie}\r\n\r\n`),
    );
    socket.once("data", (first) => {
      const status = first.toString("latin1").split("\r\n")[0];
      if (status === "HTTP/1.1 200 OK") resolve();
      else reject(new Error(`the event stream was refused: ${status}`));
    });
    socket.on("data", (data) => {
      viewer.bytes += data.length;
      const text = data.toString("utf8");
      viewer.events += text.split("event: ").length - 1;
      onText?.(text);
    });
    socket.on("close", () => (viewer.ended ??= "closed"));
    socket.on("error", (error) => (viewer.ended ??= String(error)));
  });
  return viewer;
}

// The measured work on Node's ws: an echo, and a group that hears what Redis publishes.
// Runs with its own packages (package.json).   NODE_PATH=… node server.js PORT REDIS_URL
"use strict";
const http = require("node:http");
const { WebSocketServer } = require("ws");
const { createClient } = require("redis");

const [port, redisUrl] = process.argv.slice(2);
const all = new Set();

async function main() {
  const publisher = createClient({ url: redisUrl });
  const subscriber = publisher.duplicate();
  await publisher.connect();
  await subscriber.connect();
  await subscriber.subscribe("all", (message) => {
    for (const socket of all) socket.send(message);
  });
  const sockets = new WebSocketServer({ noServer: true, perMessageDeflate: false });
  const server = http.createServer((request, response) => {
    const parts = [];
    request.on("data", (part) => parts.push(part));
    request.on("end", async () => {
      if (request.method === "POST") await publisher.publish("all", Buffer.concat(parts).toString());
      response.writeHead(204).end();
    });
  });
  server.on("upgrade", (request, connection, head) => {
    sockets.handleUpgrade(request, connection, head, (socket) => {
      if (request.url === "/echo") {
        socket.on("message", (message) => socket.send(message.toString()));
      } else {
        all.add(socket);
        socket.on("close", () => all.delete(socket));
      }
    });
  });
  server.listen({ port: Number(port), host: "127.0.0.1", backlog: 8192 });
}

main();

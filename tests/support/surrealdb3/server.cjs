// SurrealDB 3 behind ws://127.0.0.1:PORT/rpc: the engine of the official package for Node, which
// speaks the same protocol. It stands for a server of one's own, which cannot be had as a package.
//
//   NODE_PATH=<node_modules> node server.cjs surrealkv://<folder> <port, 0 for any>
//   NODE_PATH=<node_modules> node server.cjs
//
// Writes "listening on <port>" when it may be asked. Without arguments it is several servers, since
// the first engine of a process takes long to start: for each line "<url>" that it reads it opens
// one on a free port, and "close <port>" closes that one. A frame goes to the engine as it came; of the
// answer only the envelope is made here. Unlike in a server, all connections share one session
// (namespace and rights), everyone is root, and there are no live queries.
'use strict';
const path = require('node:path');
const readline = require('node:readline');
const { Decoder, Encoder } = require('cbor-x');
const { WebSocketServer } = require('ws');

// What the package exports is a driver for its JavaScript client; the engine itself lies beside it.
const cpu = process.arch === 'arm64' ? 'arm64' : 'x64';
const binary = path.join('@surrealdb', 'node', 'dist', `surrealdb-node.linux-${cpu}-gnu.node`);
const folder = process.env.NODE_PATH.split(path.delimiter)[0];
const { SurrealNodeEngine } = require(path.join(folder, binary));

const decoder = new Decoder({ mapsAsObjects: true });
const encoder = new Encoder({ useRecords: false });
const encode = (value) => Buffer.from(encoder.encode(value)); // the encoder uses its buffer again
const envelope = (id, key, body) =>
  Buffer.concat([Buffer.from([0xa2]), encode('id'), encode(id), encode(key), body]);

const isMap = (raw) => raw.length > 0 && raw[0] >> 5 === 5;

async function answer(engine, frame) {
  const { id } = decoder.decode(frame);
  try {
    const raw = Buffer.from(await engine.execute(frame));
    // Results are mostly arrays: only what may be an error is looked into.
    const seen = isMap(raw) ? decoder.decode(raw) : undefined;
    if (seen !== undefined && 'error' in seen) return envelope(id, 'error', encode(seen.error));
    return envelope(id, 'result', raw);
  } catch (error) {
    return envelope(id, 'error', encode({ code: -32000, message: String(error) }));
  }
}

const servers = new Map();

async function open(url, port) {
  const engine = await SurrealNodeEngine.connect(url, {});
  const server = new WebSocketServer({
    host: '127.0.0.1',
    port: Number(port),
    handleProtocols: (offered) => (offered.has('cbor') ? 'cbor' : false),
  });
  server.on('connection', (socket) => {
    socket.on('error', () => socket.terminate());
    socket.on('message', async (frame) => {
      const reply = await answer(engine, frame);
      if (socket.readyState === socket.OPEN) socket.send(reply);
    });
  });
  server.on('listening', () => {
    servers.set(server.address().port, { server, engine });
    console.log(`listening on ${server.address().port}`);
  });
}

async function close(port) {
  const { server, engine } = servers.get(port);
  servers.delete(port);
  for (const socket of server.clients) socket.terminate();
  server.close();
  await engine.free();
}

async function main([url, port]) {
  if (url !== undefined) return open(url, port);
  for await (const line of readline.createInterface({ input: process.stdin })) {
    const closed = /^close (\d+)$/.exec(line);
    await (closed ? close(Number(closed[1])) : open(line, 0));
  }
  process.exit(0);
}

main(process.argv.slice(2)).catch((error) => {
  console.error(String(error));
  process.exit(1);
});

// The official clients of the Model Context Protocol on a line each:
//
//   node client.mjs sdk|client legacy|auto|pin PROGRAM ARG...
//
// starts PROGRAM as a server and reads orders from stdin, {"id":1,
// "do":"callTool","with":{...}}, all of which run at once; what becomes of
// them goes to stdout, {"id":1,"result":...} or {"id":1,"error":...,"code":N}.
// "sdk" is the package @modelcontextprotocol/sdk, "client" its successor.
// Used by test_mcp_sdk.py.
import { createInterface } from 'node:readline';

const [kind, mode, command, ...args] = process.argv.slice(2);
const { Client } = await import(kind === 'sdk'
  ? '@modelcontextprotocol/sdk/client/index.js'
  : '@modelcontextprotocol/client');
const { StdioClientTransport } = await import(kind === 'sdk'
  ? '@modelcontextprotocol/sdk/client/stdio.js'
  : '@modelcontextprotocol/client/stdio');

const options = kind === 'sdk' ? {} : {
  versionNegotiation: {
    mode: mode === 'pin' ? { pin: '2026-07-28' } : mode,
  },
};
const client = new Client({ name: 'cctg-tests', version: '1' }, options);
const faults = [];
client.onerror = (error) => faults.push(String(error));
const aborts = new Map();
const listening = new Map();

function say(o) {
  process.stdout.write(JSON.stringify(o) + '\n');
}

// Options of a request: its time, its progress, and how to abort it.
function requestOptions(id, order) {
  const abort = new AbortController();
  aborts.set(id, abort);
  const o = { timeout: order.timeout ?? 30000, signal: abort.signal };
  if (order.progress)
    o.onprogress = (progress) => say({ progress, of: id });
  return o;
}

const orders = {
  connect: async () => {
    await client.connect(new StdioClientTransport({
      command, args, env: process.env, stderr: 'inherit',
    }));
    return {
      server: client.getServerVersion(),
      capabilities: client.getServerCapabilities(),
      version: client.getNegotiatedProtocolVersion?.(),
    };
  },
  ping: () => client.ping(),
  listTools: () => client.listTools(),
  listResources: () => client.listResources(),
  listResourceTemplates: () => client.listResourceTemplates(),
  readResource: (o) => client.readResource(o),
  callTool: (o, id, order) => kind === 'sdk'
    ? client.callTool(o, undefined, requestOptions(id, order))
    : client.callTool(o, requestOptions(id, order)),
  subscribe: (o) => client.subscribeResource(o),
  unsubscribe: (o) => client.unsubscribeResource(o),
  // Each change is told as {"updated": uri}; the end as {"ended": how}.
  updates: async () => {
    const told = (notice) => say({ updated: notice.params.uri });
    if (kind !== 'sdk') {
      client.setNotificationHandler('notifications/resources/updated', told);
      return;
    }
    const { ResourceUpdatedNotificationSchema } = await import(
      '@modelcontextprotocol/sdk/types.js');
    client.setNotificationHandler(ResourceUpdatedNotificationSchema, told);
  },
  listen: async (o, id) => {
    const stream = await client.listen(o);
    listening.set(id, stream);
    stream.closed.then((how) => say({ ended: how, of: id }));
    return stream.honoredFilter;
  },
  unlisten: (o) => listening.get(o.of).close(),
  abort: (o) => aborts.get(o.of).abort('enough'),
  faults: async () => faults,
  close: () => client.close(),
};

createInterface({ input: process.stdin }).on('line', async (line) => {
  const order = JSON.parse(line);
  try {
    const result = await orders[order.do](order.with, order.id, order);
    say({ id: order.id, result: result ?? null });
  } catch (error) {
    say({ id: order.id, error: String(error), code: error.code ?? null });
  }
}).on('close', () => client.close());

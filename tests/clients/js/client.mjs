// What a program with @a2a-js/sdk does over one transport, in one version; run by test_js_sdk.py.
//
//   node client.mjs <folder with its node_modules> <agent's address> <transport> <version> <webhook>
//
// Prints "go" when the agent may go on, and at the end a JSON object of what it saw.

import { createRequire } from "node:module";

const [home, url, binding, version, hook] = process.argv.slice(2);
const load = createRequire(`${home}/`);
const {
  HTTP_EXTENSION_HEADER,
  ListTasksRequest,
  SendMessageRequest,
  TaskPushNotificationConfig,
  taskStateToJSON,
} = load("@a2a-js/sdk");
const client = load("@a2a-js/sdk/client");
const { GrpcTransportFactory } = load("@a2a-js/sdk/client/grpc");

const RESUME = "urn:a2a-streaming:resume:v1";
const legacyCompat = { enabled: true };

/** A client for the one address that the card gives for this transport and version. */
async function connect() {
  const card = await new client.DefaultAgentCardResolver({ legacyCompat }).resolve(url);
  const supportedInterfaces = card.supportedInterfaces.filter(
    (one) => one.protocolBinding === binding && one.protocolVersion === version,
  );
  const transports = [
    new client.JsonRpcTransportFactory({ legacyCompat }),
    new client.RestTransportFactory({ legacyCompat }),
    new GrpcTransportFactory({ legacyCompat }),
  ];
  return new client.ClientFactory({ transports }).createFromAgentCard({
    ...card,
    supportedInterfaces,
  });
}

let messages = 0;

/** A message as the client sends it. */
function says(text, more = {}) {
  const message = { messageId: `m${++messages}`, role: "ROLE_USER", parts: [{ text }], ...more };
  return SendMessageRequest.fromJSON({ message });
}

const stateOf = (status) => taskStateToJSON(status.state).replace("TASK_STATE_", "").toLowerCase();
const textOf = (parts) => parts.map((part) => part.content.value).join("");
const textIn = (task) => task.artifacts.map((artifact) => textOf(artifact.parts)).join("");

/** What a stream's events say: states, and the text of chunks. */
function told(events) {
  const states = [];
  let text = "";
  for (const { payload } of events) {
    if (payload.$case === "artifactUpdate") text += textOf(payload.value.artifact.parts);
    else states.push(stateOf(payload.value.status));
  }
  return { states, text };
}

/** Read a stream, and do something at each event; the reader leaves if that returns true. */
async function read(stream, at = async () => false) {
  const events = [];
  for await (const event of stream) {
    events.push(event);
    if (await at(event, events)) break;
  }
  return events;
}

const isChunk = (event) => event.payload.$case === "artifactUpdate";

/** What a call returns, or the name of the error that it ends with. */
async function outcome(call) {
  try {
    return await call();
  } catch (error) {
    return error.name;
  }
}

async function sends(a2a) {
  const task = await a2a.sendMessage(says("go"));
  return { state: stateOf(task.status), text: textIn(task) };
}

async function streams(a2a) {
  const asked = await read(a2a.sendMessageStream(says("ask")));
  const { id, contextId } = asked[0].payload.value;
  const followed = await read(a2a.sendMessageStream(says("enough", { taskId: id, contextId })));
  const task = await a2a.getTask({ tenant: "", id });
  return {
    asked: told(asked),
    followed: told(followed).states.at(-1),
    got: stateOf(task.status),
    cancel: await outcome(() => a2a.cancelTask({ tenant: "", id, metadata: {} })),
    missing: await outcome(() => a2a.getTask({ tenant: "", id: "none" })),
    listed: await outcome(() => lists(a2a, contextId)),
  };
}

async function lists(a2a, contextId) {
  const { tasks } = await a2a.listTasks(ListTasksRequest.fromJSON({ contextId }));
  return tasks.map((task) => stateOf(task.status));
}

async function cancels(a2a) {
  let answered;
  const events = await read(a2a.sendMessageStream(says("wait")), async (event, [first]) => {
    if (!isChunk(event)) return false;
    const { id } = first.payload.value;
    answered = stateOf((await a2a.cancelTask({ tenant: "", id, metadata: {} })).status);
    return false;
  });
  return { answered, states: told(events).states };
}

/** Leave a stream at its first chunk, have webhooks set, and come back. */
async function resumes(a2a) {
  const serviceParameters = { [HTTP_EXTENSION_HEADER]: RESUME };
  const sending = a2a.sendMessageStream(says("wait"), { serviceParameters });
  const seen = await read(sending, async (event) => isChunk(event));
  const { id } = seen[0].payload.value;
  const webhooks = await setsWebhooks(a2a, id);
  const rest = await read(a2a.resubscribeTask({ tenant: "", id }), async () => {
    console.log("go");
    return false;
  });
  const known = rest[0].payload.value;
  const resumed = {
    seen: told(seen),
    states: told(rest).states,
    text: textIn(known) + told(rest).text,
    webhooks,
  };
  // Over HTTP this client doesn't show an event's position: it drops SSE's ids.
  const { position } = seen.at(-1).payload.value.metadata?.[RESUME] ?? {};
  if (position !== undefined) {
    const after = { serviceParameters: { ...serviceParameters, "Last-Event-ID": position } };
    resumed.after = told(await read(a2a.resubscribeTask({ tenant: "", id }, after)));
  }
  return resumed;
}

async function setsWebhooks(a2a, taskId) {
  const authentication = { scheme: "Bearer", credentials: "secret" };
  const webhook = (id) =>
    TaskPushNotificationConfig.fromJSON({ taskId, id, url: hook, token: "mine", authentication });
  const of = (id) => ({ tenant: "", taskId, id });
  const ids = async () => {
    const asking = { tenant: "", taskId, pageSize: 0, pageToken: "" };
    return (await a2a.listTaskPushNotificationConfig(asking)).configs.map((one) => one.id);
  };
  const made = await a2a.createTaskPushNotificationConfig(webhook("mine"));
  await a2a.createTaskPushNotificationConfig(webhook("other"));
  const got = await a2a.getTaskPushNotificationConfig(of("mine"));
  const both = await ids();
  await a2a.deleteTaskPushNotificationConfig(of("other"));
  const said = JSON.stringify(webhook("mine"));
  return {
    kept: [made, got].map((one) => TaskPushNotificationConfig.fromJSON(one)).map(
      (one) => JSON.stringify(one) === said,
    ),
    both,
    left: await ids(),
    missing: await outcome(() => a2a.getTaskPushNotificationConfig(of("other"))),
  };
}

const a2a = await connect();
console.log(
  JSON.stringify({
    speaks: [a2a.transport.protocolName, a2a.protocolVersion],
    sent: await sends(a2a),
    streamed: await streams(a2a),
    canceled: await cancels(a2a),
    resumed: await resumes(a2a),
  }),
);
process.exit(); // gRPC's channel would keep it

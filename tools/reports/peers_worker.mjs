// SPDX-License-Identifier: GPL-3.0-or-later
// Runs a published lip-sync package under node for tools/peers.py: node peers_worker.mjs <packages folder> <peer>.
// Standard input holds requests (uint32 sample count, then float32 samples at 16 kHz, little-endian); each is answered
// by one line on standard output that begins with '@@' and goes on with JSON. Other lines are the packages' own chatter.
import fs from "node:fs";
import path from "node:path";
import { pathToFileURL } from "node:url";

const [folder, peer] = process.argv.slice(2);
const moduleUrl = (...parts) => pathToFileURL(path.join(folder, "node_modules", ...parts)).href;

async function openRhubarb() {
  const { Rhubarb } = await import(moduleUrl("rhubarb-lip-sync-wasm", "dist", "index.js"));
  return async (samples) => {
    const pcm = Buffer.alloc(samples.length * 2);
    samples.forEach((value, index) => pcm.writeInt16LE(Math.round(Math.max(-1, Math.min(1, value)) * 32767), index * 2));
    return (await Rhubarb.getLipSync(pcm, {})).mouthCues.map((cue) => [cue.start, cue.end, cue.value]);
  };
}

// HeadAudio is made for a browser's audio thread. Its own node and processor run here unchanged on a stand-in for
// that thread which hands every message over at once, so sound and animation keep exact step.
async function openHeadAudio() {
  const rate = 16000;
  const block = 128;
  let Worklet;
  let linked;
  globalThis.sampleRate = rate;
  globalThis.AudioWorkletProcessor = class {
    constructor() {
      this.port = { onmessage: null, postMessage: (data) => linked.port.onmessage({ data }) };
    }
  };
  globalThis.registerProcessor = (_, type) => (Worklet = type);
  globalThis.AudioWorkletNode = class {
    constructor() {
      this.port = { onmessage: null, postMessage: (data) => this.worklet.port.onmessage({ data }) };
      linked = this;
      this.worklet = new Worklet({});
    }
  };
  globalThis.fetch = async (file) => {
    const data = fs.readFileSync(file);
    return { ok: true, arrayBuffer: async () => data.buffer.slice(data.byteOffset, data.byteOffset + data.byteLength) };
  };
  const home = ["@met4citizen", "headaudio"];
  await import(moduleUrl(...home, "modules", "headworklet.mjs"));
  const { HeadAudio } = await import(moduleUrl(...home, "modules", "headaudio.mjs"));
  const parameters = Object.fromEntries(Worklet.parameterDescriptors.map((item) => [item.name, [item.defaultValue]]));
  return async (samples) => {
    const node = new HeadAudio(null);
    await node.loadModel(path.join(folder, "node_modules", ...home, "dist", "model-en-mixed.bin"));
    const weights = Object.fromEntries(node.visemeNames.map((name) => [name, 0]));
    node.onvalue = (name, value) => (weights[name] = value);
    const rows = [];
    for (let start = 0; start < samples.length; start += block) {
      node.worklet.process([[samples.subarray(start, start + block)]], [], parameters);
      node.update((1000 * block) / rate);
      rows.push(node.visemeNames.map((name) => Math.round(weights[name] * 1e4) / 1e4));
    }
    return { names: node.visemeNames, rate: rate / block, rows };
  };
}

const answer = await { rhubarb: openRhubarb, headaudio: openHeadAudio }[peer]();
process.stdout.write("@@\"ready\"\n");
let pending = Buffer.alloc(0);
for await (const chunk of process.stdin) {
  pending = Buffer.concat([pending, chunk]);
  while (pending.length >= 4 && pending.length >= 4 + 4 * pending.readUInt32LE(0)) {
    const count = pending.readUInt32LE(0);
    const samples = new Float32Array(count);
    for (let index = 0; index < count; index++) samples[index] = pending.readFloatLE(4 + 4 * index);
    pending = pending.subarray(4 + 4 * count);
    process.stdout.write(`\n@@${JSON.stringify(await answer(samples))}\n`);
  }
}

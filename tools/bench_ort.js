#!/usr/bin/env node
// Items per second of a model in ONNX Runtime (onnxruntime-node, installed by whoever measures); one JSON line on stdout.
// usage: bench_ort.js MODEL.onnx BATCH THREADS SECONDS
// Open dimensions are bound and inputs filled as `microtome model bench` does: the first is the batch, others 224 for pixels
// of images and 1 elsewhere; float32 in [-1, 1) from one generator, zeros for whole numbers.
'use strict';
const fs = require('fs');

const arrays = { float32: Float32Array, float64: Float64Array, int64: BigInt64Array, int32: Int32Array, uint8: Uint8Array, int8: Int8Array };

function bind(shape, batch) {
  return shape.map((d, k) => (Number.isInteger(d) && d > 0 ? d : k === 0 ? batch : shape.length === 4 && k >= 2 ? 224 : 1));
}

function fill(type, count) {
  if (!(type in arrays)) throw new Error(`inputs of type ${type} are not known here`);
  const data = new arrays[type](count);
  for (let i = 0, state = 1; type === 'float32' && i < count; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    data[i] = (state >>> 8) / (1 << 23) - 1;
  }
  return data;
}

function makeFeeds(ort, session, batch) {
  const feeds = {};
  for (const port of session.inputMetadata) {
    const shape = bind(port.shape, batch);
    feeds[port.name] = new ort.Tensor(port.type, fill(port.type, shape.reduce((a, b) => a * b, 1)), shape);
  }
  return feeds;
}

function peakMb() {
  const line = fs.readFileSync('/proc/self/status', 'utf8').match(/VmHWM:\s*(\d+)/);
  return line ? (Number(line[1]) * 1024) / 1e6 : null;
}

async function main() {
  const [, , model, batch, threads, seconds] = process.argv;
  if (seconds === undefined) throw new Error('usage: bench_ort.js MODEL.onnx BATCH THREADS SECONDS');
  const ort = require('onnxruntime-node');
  const began = performance.now();
  const session = await ort.InferenceSession.create(model, {
    intraOpNumThreads: Number(threads), interOpNumThreads: 1, executionMode: 'sequential', graphOptimizationLevel: 'all', logSeverityLevel: 3,
  });
  const load = (performance.now() - began) / 1e3;
  const feeds = makeFeeds(ort, session, Number(batch));
  const items = session.inputMetadata[0].shape.length > 0 ? feeds[session.inputNames[0]].dims[0] : 1;
  await session.run(feeds); // to warm up
  const start = performance.now();
  let runs = 0;
  do {
    await session.run(feeds);
    runs++;
  } while (performance.now() - start < 1e3 * Number(seconds));
  const took = (performance.now() - start) / 1e3;
  console.log(JSON.stringify({ items_per_second: (items * runs) / took, batch: items, threads: Number(threads), seconds: took,
    items: items * runs, peak_rss_mb: peakMb(), load_seconds: load }));
}

main().catch((error) => {
  console.error(`bench_ort.js: ${error.message}`);
  process.exit(1);
});

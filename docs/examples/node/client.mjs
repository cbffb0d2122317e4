// Embeds a picture, watches its progress, cancels a call, morphs, and reads a typed error.
//
//     npm install
//     node client.mjs ADDRESS PROTOS_FOLDER PICTURE_A PICTURE_B OUTPUT_FOLDER
//
// ADDRESS is what `latentlayers status` prints, e.g. unix:/run/user/1000/latentlayers/daemon.sock.
// Prints one JSON object per line.

import fs from 'node:fs';
import path from 'node:path';
import grpc from '@grpc/grpc-js';
import protoLoader from '@grpc/proto-loader';
import protobuf from 'protobufjs';

const [address, protos, pictureA, pictureB, output] = process.argv.slice(2);
const print = (object) => console.log(JSON.stringify(object));

const definition = protoLoader.loadSync('latentlayers/v1/editing_service.proto', {
  includeDirs: [protos], keepCase: false, longs: Number, enums: String, defaults: true, oneofs: true,
});
const { EditingService } = grpc.loadPackageDefinition(definition).latentlayers.v1;
const limit = 64 * 1024 * 1024; // gRPC's own limit is five bytes less than a 1024x1024 RGBA layer
const client = new EditingService(address, grpc.credentials.createInsecure(), {
  'grpc.max_receive_message_length': limit, 'grpc.max_send_message_length': limit,
});

const picture = (file) => ({ picture: { encoded: fs.readFileSync(file) }, name: path.basename(file) });

/** Follows a call to its end; `onEvent(event, call)` sees every event. Rejects with the gRPC error. */
function follow(call, onEvent) {
  return new Promise((resolve, reject) => {
    call.on('data', ({ event }) => onEvent(event, call));
    call.on('error', reject);
    call.on('end', resolve);
  });
}

// google.rpc.Status travels in a trailer; ErrorInfo inside it says what went wrong and what to do.
const rpc = protobuf.parse(`syntax = "proto3"; package google.rpc;
  message Any { string type_url = 1; bytes value = 2; }
  message Status { int32 code = 1; string message = 2; repeated Any details = 3; }
  message ErrorInfo { string reason = 1; string domain = 2; map<string, string> metadata = 3; }`, { keepCase: true }).root;

function errorInfo(error) {
  const [trailer] = error.metadata.get('grpc-status-details-bin');
  if (!trailer) return undefined;
  const { details } = rpc.lookupType('google.rpc.Status').decode(trailer);
  const info = details.find((any) => any.type_url.endsWith('/google.rpc.ErrorInfo'));
  return info && rpc.lookupType('google.rpc.ErrorInfo').decode(info.value);
}

// 1. Embed, with progress.
let embedding;
let lastStep = 0;
let updates = 0;
await follow(client.embed({ source: picture(pictureA) }), (event) => {
  if (event.event === 'progress' && event.progress.phase === 'PHASE_EMBEDDING') {
    updates += 1;
    lastStep = event.progress.step;
  }
  if (event.event === 'embedded') embedding = event.embedded.embedding;
});
print({ did: 'embed', id: embedding.id, psnr: embedding.psnr, steps: embedding.steps, updates, lastStep });

// 2. Cancel a long one after its first optimiser step.
try {
  await follow(
    client.embed({ source: picture(pictureB), options: { preset: 'paper', refresh: true } }),
    (event, call) => { if (event.event === 'progress' && event.progress.step > 0) call.cancel(); },
  );
} catch (error) {
  print({ did: 'cancel', code: grpc.status[error.code] });
}

// 3. Morph: one end is the embedding from above, the other a picture that is embedded on the way.
let frames = 0;
await follow(
  client.morph({ a: { embeddingId: embedding.id }, b: { picture: picture(pictureB) }, frames: 5 }),
  (event) => {
    if (event.event !== 'image') return;
    fs.writeFileSync(path.join(output, `morph-${event.image.index}.png`), event.image.picture.encoded);
    frames += 1;
  },
);
print({ did: 'morph', frames });

// 4. Something that is not a picture.
try {
  await follow(client.embed({ source: { picture: { encoded: Buffer.from('not a picture') } } }), () => {});
} catch (error) {
  const info = errorInfo(error);
  print({ did: 'error', code: grpc.status[error.code], reason: info.reason, message: error.details,
    remedy: info.metadata.remedy });
}

client.close();

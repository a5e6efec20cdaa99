import {DecoderConfig,TrainingConfig,parseConfig} from './lib/config.ts';
import {useBackend} from './lib/backend/index.ts';
import {Decoder} from './lib/model/decoder.ts'; import {Random} from './lib/random.ts'; import {Adam} from './lib/train/optimizer.ts';
import {trainableVariables,TrainingStep} from './lib/train/step.ts';
import fs from 'node:fs';
await useBackend('onnx');
const B=+(process.env.B??64),D=1280,V=+(process.env.V??3000);const lens=(process.env.T??'16').split(',').map(Number);
const random=new Random(1);
const d=new Decoder(parseConfig(DecoderConfig,{normalizeFeatures:false,featureDropout:0}),{featureSize:D,vocabularySize:V},{random});
const tr=parseConfig(TrainingConfig,{batchSize:B,clipNorm:+(process.env.CLIP??0)});
const step=new TrainingStep(d,new Adam(trainableVariables(d.variables),tr),tr);
const batch=(T:number)=>({length:T,features:Float32Array.from({length:B*D},()=>random.uniform()),tokens:Int32Array.from({length:T*B},()=>random.integer(V)),targets:Int32Array.from({length:T*B},()=>random.integer(V)),weights:new Float32Array(T*B).fill(1/(T*B)),words:T*B});
const bs=lens.map(batch);const times:number[]=[];let tok=0;
for(let i=0;i<+(process.env.N??24);i++){const b=bs[i%bs.length];const t=performance.now();await step.learn(b,i,1e-3);if(i>=2*bs.length){times.push(performance.now()-t);tok+=b.words;}}
const total=times.reduce((a,b)=>a+b);times.sort((a,b)=>a-b);
const hwm=/VmHWM:\s+(\d+)/.exec(fs.readFileSync('/proc/self/status','utf8'))![1],rss=/VmRSS:\s+(\d+)/.exec(fs.readFileSync('/proc/self/status','utf8'))![1];
console.log(JSON.stringify({arena:process.env.ARENA,pattern:process.env.PATTERN,strat:process.env.STRAT,median:times[times.length>>1].toFixed(1),min:times[0].toFixed(1),tokps:(tok/total*1000).toFixed(0),hwm:(+hwm/1024).toFixed(0),rss:(+rss/1024).toFixed(0)}));
step.dispose();process.exit();

import { spawn, type ChildProcessWithoutNullStreams } from 'node:child_process';
import { once } from 'node:events';
import { availableParallelism } from 'node:os';
import { createInterface, type Interface } from 'node:readline';
import { fileURLToPath } from 'node:url';

/** What a peer says when it is ready: its version and how it computes. */
export type PeerGreeting = Record<string, string | number | boolean>;

/** Threads that PyTorch is compared with. */
const threadCounts: readonly number[] = [...new Set([1, availableParallelism()])];

/**
 * A program in a process of its own, mostly one in another language that does the same work as we do: a script of `bench/peers/`
 * that takes requests and gives answers as lines of JSON.
 */
export class Peer {
  private readonly answers: AsyncIterator<string>;

  private constructor(
    private readonly child: ChildProcessWithoutNullStreams,
    lines: Interface,
    readonly greeting: PeerGreeting,
  ) {
    this.answers = lines[Symbol.asyncIterator]();
  }

  /**
   * Starts a script: one in Python with that of the environment variable CAPTIONER_BENCH_PYTHON (default: python3), one in
   * TypeScript with Node.
   * @returns why there is no peer, when Python or PyTorch is missing.
   */
  static async start(script: string, flags: readonly string[]): Promise<Peer | string> {
    const file = fileURLToPath(new URL(`peers/${script}`, import.meta.url));
    const python = process.env.CAPTIONER_BENCH_PYTHON ?? 'python3';
    const [command, ...before] = script.endsWith('.py') ? [python] : [process.execPath, '--import', 'tsx'];
    const child = spawn(command, [...before, file, ...flags]);
    let complaint = '';
    child.stderr.on('data', (text: Buffer) => (complaint += text.toString()));
    const failed = once(child, 'error').then(([error]) => (error as Error).message);
    const closed = once(child, 'close').then(() => complaint.trim().split('\n').at(-1) ?? 'it ended');
    const lines = createInterface({ input: child.stdout });
    const first = once(lines, 'line').then(([line]) => ({ line: line as string }));
    const result = await Promise.race([first, failed, closed]);
    return typeof result === 'string' ? result : new Peer(child, lines, JSON.parse(result.line) as PeerGreeting);
  }

  /**
   * Starts a script of PyTorch with one thread, and another one with all: which is faster depends on the machine and on what else it does.
   * @returns them by name; none, and a line on the console that says why, where Python or PyTorch is missing.
   */
  static async startPyTorch(script: string, flags: readonly string[]): Promise<Record<string, Peer>> {
    const peers: Record<string, Peer> = {};
    for (const threads of threadCounts) {
      const peer = await Peer.start(script, [...flags, '--threads', String(threads)]);
      if (typeof peer === 'string') {
        console.log(`PyTorch is not compared: ${peer}`);
        break;
      }
      peers[`PyTorch ${peer.greeting.torch}, ${threads} thread${threads > 1 ? 's' : ''}`] = peer;
    }
    return peers;
  }

  /** Sends a request and waits for its answer. */
  async ask<A>(request: object): Promise<A> {
    this.child.stdin.write(`${JSON.stringify(request)}\n`);
    const { value, done } = await this.answers.next();
    if (done) throw new Error('The peer has ended.');
    return JSON.parse(value) as A;
  }

  stop(): void {
    this.child.stdin.end(`${JSON.stringify({ stop: true })}\n`);
  }
}

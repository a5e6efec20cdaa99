import { spawn, type ChildProcessWithoutNullStreams } from 'node:child_process';
import { once } from 'node:events';
import { availableParallelism } from 'node:os';
import { createInterface, type Interface } from 'node:readline';
import { fileURLToPath } from 'node:url';

/** The first message of a peer: its version and settings. */
export type PeerGreeting = Record<string, string | number | boolean>;

/** A way to run the same script. */
export interface PeerVariant {
  readonly name: string;
  readonly flags: readonly string[];
}

/** One thread and all: which is faster depends on the machine and its load. */
const threadVariants: readonly PeerVariant[] = [...new Set([1, availableParallelism()])].map((threads) => ({
  name: `${threads} thread${threads > 1 ? 's' : ''}`,
  flags: ['--threads', String(threads)],
}));

/**
 * A program in its own process that does the same work as we do, mostly in another language: a
 * script in `bench/peers/` that reads requests and writes answers as lines of JSON.
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
   * Starts a script: Python scripts with the interpreter in CAPTIONER_BENCH_PYTHON (default:
   * python3), TypeScript ones with Node.
   * @returns the reason as text if Python or PyTorch is missing.
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
   * Starts a PyTorch script once for each variant: by default, with one thread and with all.
   * @returns the peers by name. Empty, with a line on the console that says why, if Python or
   * PyTorch is missing.
   */
  static async startPyTorch(
    script: string,
    flags: readonly string[],
    variants: readonly PeerVariant[] = threadVariants,
  ): Promise<Record<string, Peer>> {
    const peers: Record<string, Peer> = {};
    for (const variant of variants) {
      const peer = await Peer.start(script, [...flags, ...variant.flags]);
      if (typeof peer === 'string') {
        console.log(`PyTorch is not compared: ${peer}`);
        break;
      }
      peers[`PyTorch ${peer.greeting.torch}, ${variant.name}`] = peer;
    }
    return peers;
  }

  /** Sends a request and waits for its answer. */
  async ask<A>(request: object): Promise<A> {
    this.child.stdin.write(`${JSON.stringify(request)}\n`);
    const { value, done } = await this.answers.next();
    if (done) throw new Error('The peer process has exited.');
    return JSON.parse(value) as A;
  }

  stop(): void {
    this.child.stdin.end(`${JSON.stringify({ stop: true })}\n`);
  }
}

// Juju's agent of a unit, imitated: runs a charm's real `dispatch` with every hook tool on the PATH, as small programs that ask this
// one over a socket, as Juju's do. `agent.mjs FILE` reads a Job there and writes what came of it beside, as FILE.done.
import {spawn} from 'node:child_process'
import {chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync} from 'node:fs'
import {createServer} from 'node:net'
import {dirname, join} from 'node:path'
import {runTool, toolNames, type Context} from './tools.ts'

/** One hook to be run. */
export interface Job {
  readonly context: Context
  readonly charm: string
  readonly environment: Readonly<Record<string, string>>
  /** Put before the machine's own programs. */
  readonly path?: string
}

/** What came of it: the model counts only where the code is 0. */
export interface Done {
  readonly code: number
  readonly output: string
  readonly context: Context
  /** The tools that were called, in order, with their arguments. */
  readonly calls: readonly string[]
}

/** A tool: sends its arguments and, where one says so, its standard input; prints the answer and ends as it says. */
const tool = `#!/usr/bin/perl
use strict; use Socket; # its kin with an interface takes longer to load than all the rest
my $name = $0; $name =~ s{.*/}{};
my $in = ''; if (grep { $_ eq '-' } @ARGV) { local $/; $in = <STDIN> if grep { $_ eq '--file' } @ARGV; }
my $s; socket($s, PF_UNIX, SOCK_STREAM, 0) && connect($s, sockaddr_un($ENV{JUJU_AGENT_SOCKET_ADDRESS})) or die "ERROR no agent: $!\\n";
select($s); $| = 1; select(STDOUT);
print $s join('', map { length($_) . "\\n" . $_ } ($name, $in, @ARGV)); shutdown($s, 1);
local $/; my $answer = <$s>;
$answer =~ s/^(\\d+) (\\d+)\\n// or die "ERROR the agent went away\\n"; my ($code, $n) = ($1, $2);
print substr($answer, 0, $n); print STDERR substr($answer, $n); exit $code;
`

/** Runs the job's hook to its end. */
export async function runJob({context, charm, environment, path = ''}: Job): Promise<Done> {
  const folder = mkdtempSync(join(dirname(charm), 'agent-')) // /tmp may forbid programs
  const tools = join(folder, 'tools')
  mkdirSync(tools)
  for (const name of toolNames) {
    writeFileSync(join(tools, name), tool)
    chmodSync(join(tools, name), 0o755)
  }
  const socket = join(folder, 'agent.socket')
  const calls: string[] = []
  const server = createServer({allowHalfOpen: true}, (connection) => {
    const pieces: Buffer[] = []
    connection.on('data', (bytes) => pieces.push(bytes))
    connection.on('end', () => {
      const [name = '', input = '', ...args] = words(Buffer.concat(pieces))
      calls.push([name, ...args].join(' '))
      const {code, out, err} = runTool(context, [name, ...args], input)
      connection.end(`${code} ${Buffer.byteLength(out)}\n${out}${err}`)
    })
  })
  await new Promise<void>((resolve) => server.listen(socket, resolve))
  try {
    const PATH = [tools, ...(path === '' ? [] : [path]), process.env['PATH']].join(':')
    const told = {...environment, PATH, JUJU_CHARM_DIR: charm, JUJU_AGENT_SOCKET_ADDRESS: socket}
    const hook = spawn(join(charm, 'dispatch'), {
      env: {...process.env, ...told},
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    let output = ''
    for (const stream of [hook.stdout, hook.stderr])
      stream.setEncoding('utf8').on('data', (text: string) => (output += text))
    const code = await new Promise<number>((resolve) => hook.once('close', (ended) => resolve(ended ?? 128)))
    return {code, output, context, calls}
  } finally {
    server.close()
    rmSync(folder, {recursive: true, force: true})
  }
}

/** Texts that are each preceded by their length in bytes. */
function words(bytes: Buffer): string[] {
  const found: string[] = []
  for (let at = 0; at < bytes.length;) {
    const end = bytes.indexOf('\n', at)
    const length = Number(bytes.toString('utf8', at, end))
    found.push(bytes.toString('utf8', end + 1, end + 1 + length))
    at = end + 1 + length
  }
  return found
}

if (process.argv[1]?.endsWith('agent.mjs')) {
  const [file = ''] = process.argv.slice(2)
  const done = await runJob(JSON.parse(readFileSync(file, 'utf8')) as Job)
  writeFileSync(`${file}.done`, JSON.stringify(done))
}

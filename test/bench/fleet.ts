// A fleet: many idle workers in one process, each with a line of its own to the master, by the worker's own code. As a
// program it reads what to connect from its standard input, and says when the last of them is welcome.
import {fork} from 'node:child_process'
import {once} from 'node:events'
import {setTimeout as sleep} from 'node:timers/promises'
import {fileURLToPath} from 'node:url'
import {Link} from '../../worker/world/link.ts'
import {protocolNewest, protocolOldest, type Hello} from '../../worker/protocol/messages.ts'

export interface Member {
  readonly name: string
  readonly token: string
}

interface Orders {
  readonly master: string
  readonly members: readonly Member[]
  /** Between two of them, in milliseconds; 0 for all at once. */
  readonly everyMs: number
  /** How long they may take, in milliseconds. */
  readonly patienceMs: number
}

/** What came of connecting them. */
export interface Muster {
  readonly attached: number
  /** From the first dial until the last was welcome. */
  readonly seconds: number
}

/** So much of what a fleet says at its end is told. */
const wordsMost = 2000

/** A fleet that runs in a process of its own. */
export interface Fleet {
  readonly muster: Muster
  /** How many are welcome now. */
  count(): Promise<number>
  stop(): Promise<void>
}

/** Connects them all; resolves when the last is welcome, or when patience ends. */
export async function startFleet(orders: Orders): Promise<Fleet> {
  const child = fork(fileURLToPath(import.meta.url), ['--fleet'], {
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    env: {...process.env, NODE_OPTIONS: ''},
  })
  let words = ''
  child.stderr?.setEncoding('utf8').on('data', (text: string) => (words = (words + text).slice(-wordsMost)))
  const end = () => child.kill('SIGKILL')
  process.once('exit', end)
  const gone = once(child, 'exit')
  const ask = async <T>(what: object): Promise<T> => {
    child.send(what)
    const [answer] = (await Promise.race([
      once(child, 'message'),
      gone.then(() => Promise.reject(new Error(`the fleet ended: ${words}`))),
    ])) as [T]
    return answer
  }
  return {
    muster: await ask<Muster>(orders),
    count: () => ask<number>({count: true}),
    async stop() {
      process.off('exit', end)
      child.kill('SIGKILL')
      await gone
    },
  }
}

/** Every member says that it could do one build, and is never asked to. */
const helloOf = ({name}: Member): Hello => ({
  say: 'hello',
  protocols: [protocolOldest, protocolNewest],
  worker: name,
  instance: `fleet-${name}`,
  version: '0.1.0',
  labels: {fleet: 'yes'},
  maxBuilds: 1,
  engine: null,
  now: Date.now(),
  freeBytes: null,
  attempts: [],
})

async function connect({master, members, everyMs, patienceMs}: Orders): Promise<[readonly Link[], Muster]> {
  const links: Link[] = []
  const beganAt = performance.now()
  let attached = 0
  let lastAt = beganAt
  const all = new Promise<void>((resolve) => {
    const welcome = () => {
      lastAt = performance.now()
      if (++attached === members.length) resolve()
    }
    void (async () => {
      for (const member of members) {
        links.push(dial(master, member, firstOnly(welcome)))
        if (everyMs > 0) await sleep(everyMs)
      }
    })()
  })
  await Promise.race([all, sleep(patienceMs)])
  return [links, {attached, seconds: (lastAt - beganAt) / 1000}]
}

const idleSpool = {bytes: 0, limitBytes: 2 ** 30, policy: 'truncate', cutting: 0, holding: 0, cutBytes: 0}

function dial(master: string, member: Member, onWelcome: () => void): Link {
  const link = new Link({
    masters: [master],
    token: member.token,
    hello: () => helloOf(member),
    freeBytes: () => null,
    spool: () => idleSpool,
    hindrance: () => null,
    onWelcome,
    onMessage: () => undefined,
    onHopeless: (code) => process.exit(code),
  })
  link.dial()
  return link
}

/** Calls it the first time only: who is cut off and welcome again was counted already. */
function firstOnly(act: () => void): () => void {
  let isDone = false
  return () => {
    if (!isDone) act()
    isDone = true
  }
}

/** The life of the process. */
function serve(): void {
  let links: readonly Link[] = []
  process.on('disconnect', () => process.exit(0))
  process.on('message', (message: Orders | {count: true}) => {
    if ('count' in message) process.send?.(links.filter(({isOpen}) => isOpen).length)
    else
      void connect(message).then(([connected, muster]) => {
        links = connected
        process.send?.(muster)
      })
  })
}

if (process.argv[2] === '--fleet' && process.send) serve()

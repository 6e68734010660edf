// A worker of the simulation: the real attempts, journal, link and performer, on a host whose processes are virtual.
import {mkdirSync, readdirSync} from 'node:fs'
import {join} from 'node:path'
import {Attempts} from '../../worker/commands/attempts.ts'
import {protocolNewest, protocolOldest} from '../../worker/protocol/messages.ts'
import {Disk} from '../../worker/world/disk.ts'
import {Link} from '../../worker/world/link.ts'
import {Workspaces} from '../../worker/world/workspaces.ts'
import type {Clockwork, Node} from './clockwork.ts'
import type {Disks} from './disk.ts'
import {type Host, virtualHands} from './host.ts'
import type {Network} from './network.ts'

export interface WorkerParts {
  readonly clock: Clockwork
  readonly network: Network
  readonly disks: Disks
  readonly stateDir: string
  readonly maxBuilds: number
  readonly labels: Readonly<Record<string, string>>
  /** Where it dials, in turn or by chance. */
  readonly addresses: readonly string[]
}

const minFreeBytes = 64 * 1024 * 1024
const spool = {shareBytes: 64 * 1024 * 1024, policy: 'truncate'} as const

export class VirtualWorker {
  readonly node: Node
  readonly host: Host
  readonly parts: WorkerParts
  attempts: Attempts | null = null
  link: Link | null = null
  /** Its host never comes back. */
  isGone = false

  constructor(node: Node, host: Host, parts: WorkerParts) {
    this.node = node
    this.host = host
    this.parts = parts
    parts.disks.fateOf(node)
    mkdirSync(parts.stateDir, {recursive: true})
    node.onCrash = () => {
      parts.disks.closeAll(node)
      parts.network.gone(node, false)
      this.attempts = this.link = null
    }
  }

  /** Begins a life of its process, as worker/main.ts does. */
  start(): void {
    const {clock} = this.parts
    this.node.isAlive = true
    clock.say(`START ${this.node.name}`)
    clock.later(0, this.node, () => this.assemble())
  }

  /** The host goes down, with all that runs there. */
  fall(): void {
    this.parts.network.gone(this.node, true)
    this.parts.clock.crash(this.node, 'its host is gone')
    this.host.fall()
  }

  /** Attempts of which something lies on its disk. */
  leftOnDisk(): string[] {
    const dir = join(this.parts.stateDir, 'attempts')
    try {
      return readdirSync(dir)
    } catch {
      return []
    }
  }

  private assemble(): void {
    const {clock, network, stateDir, maxBuilds, labels, addresses} = this.parts
    const {name} = this.node
    const workspaces = new Workspaces(stateDir)
    const disk = new Disk(stateDir)
    // The place and the store of artifacts are for real hands.
    const place = {worker: name, engine: null, workspacePath: (path: string) => workspaces.path(path)}
    const tools = {
      place: place as never,
      store: null as never,
      hands: virtualHands(this.host, clock, this.node),
    }
    const attempts = new Attempts(stateDir, tools, workspaces, disk, {
      maxBuilds,
      minFreeBytes,
      spool,
      shortage: () => null,
    })
    attempts.find()
    const link = new Link({
      masters: addresses.map((address) => `http://${address}`),
      token: '',
      hello: () => ({
        say: 'hello', protocols: [protocolOldest, protocolNewest], worker: name, version: '0', labels: {...labels}, maxBuilds,
        engine: null, now: Date.now(), freeBytes: disk.freeBytes(), minFreeBytes, instance: name,
        attempts: attempts.standing(),
      }), // prettier-ignore
      freeBytes: () => disk.freeBytes(),
      spool: () => attempts.spool(),
      hindrance: () => null,
      onWelcome: (welcome) => attempts.welcome(welcome),
      onMessage: (message) => attempts.hear(message),
      onHopeless: (code) => clock.say(`${name} gives up with ${String(code)}`),
      open: (url) => network.dial(this.node, name, new URL(url).host) as never,
    })
    this.attempts = attempts
    this.link = link
    attempts.goOn(link)
    link.dial()
  }
}

// A gate between a master and PostgreSQL that reads along and counts what is committed, so that the master can be killed
// exactly there: before the answer to a commit reaches it, or once it has taken the answer and asks for more.
import {once} from 'node:events'
import {connect, createServer, type Socket} from 'node:net'
import {join} from 'node:path'
import {Reader, type Message} from './postgres-messages.ts'

/** `unanswered`: committed, but the master never learns it. `answered`: it learns it, and is killed before it asks anything more. */
export type Moment = 'unanswered' | 'answered'

/** With an answered commit, how long to wait at most for the master's next question, in milliseconds. */
const answeredMs = 50

interface Trap {
  readonly at: number
  readonly moment: Moment
  readonly spring: () => void
}

export class DatabaseGate {
  /** The database's address through the gate. */
  url = ''
  /** What each commit so far did, shortly. */
  readonly commits: string[] = []
  private trap: Trap | null = null
  private isSprung = false
  /** An answer is on its way, after which the trap springs. */
  private isClosing = false
  private readonly sockets = new Set<Socket>()

  /** Opens a gate to this database; ends with the owner. */
  static async to(owner: {teardown(end: () => unknown): void}, databaseUrl: string): Promise<DatabaseGate> {
    const gate = new DatabaseGate()
    const server = createServer((near) => gate.join(near, addressOf(databaseUrl)))
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const address = server.address()
    const url = new URL(databaseUrl)
    url.searchParams.delete('host')
    url.hostname = '127.0.0.1'
    url.port = String(typeof address === 'object' && address ? address.port : 0)
    gate.url = url.href
    owner.teardown(() => {
      gate.drop()
      server.close()
    })
    return gate
  }

  /** Springs once, at the commit of this number, counted from 1. */
  set(at: number, moment: Moment, spring: () => void): void {
    this.trap = {at, moment, spring}
  }

  get hasSprung(): boolean {
    return this.isSprung
  }

  private join(near: Socket, address: {path: string} | {host: string; port: number}): void {
    const far = connect(address)
    for (const socket of [near, far]) {
      this.sockets.add(socket)
      socket.on('error', () => undefined)
      socket.on('close', () => {
        this.sockets.delete(socket)
        near.destroy()
        far.destroy()
      })
    }
    const session = new Session()
    near.on('data', (bytes: Buffer) => {
      if (this.isClosing) return this.spring()
      session.asked(bytes)
      far.write(bytes)
    })
    far.on('data', (bytes: Buffer) => {
      const commits = session.answered(bytes)
      for (const what of commits) this.commits.push(what)
      if (commits.length === 0 || !this.isDue(commits.length)) return void near.write(bytes)
      if (this.trap?.moment === 'unanswered') return this.spring()
      near.write(bytes)
      // The answer needs a moment to be taken.
      setTimeout(() => (this.isClosing = !this.isSprung), 3)
      setTimeout(() => this.spring(), answeredMs)
    })
  }

  private isDue(fresh: number): boolean {
    const {length} = this.commits
    return this.trap !== null && !this.isSprung && length >= this.trap.at && length - fresh < this.trap.at
  }

  /** The master is killed, and the database hears its connections end. */
  private spring(): void {
    if (this.isSprung || this.trap === null) return
    this.isSprung = true
    this.isClosing = false
    this.trap.spring()
    this.drop()
  }

  private drop(): void {
    for (const socket of this.sockets) socket.destroy()
    this.sockets.clear()
  }
}

/** What one connection does: which statements are asked, and which of them are committed. */
export class Session {
  private readonly front = new Reader({hasStartup: true})
  private readonly back = new Reader({hasStartup: false})
  private readonly texts: string[] = []
  private changed: string | null = null

  asked(bytes: Buffer): void {
    for (const message of this.front.read(bytes)) {
      if (message.type === 'Q') this.texts.push(textAt(message.body, 0))
      if (message.type === 'P') this.texts.push(textAt(message.body, message.body.indexOf(0) + 1))
    }
  }

  /** The commits that these bytes answer, those that changed nothing left out: each as the first words of what changed something. */
  answered(bytes: Buffer): string[] {
    return this.back.read(bytes).flatMap((message) => this.answer(message))
  }

  private answer({type, body}: Message): string[] {
    if (type === 'C') {
      const tag = textAt(body, 0)
      const text = this.texts[0] ?? ''
      if (isChange(tag, text)) this.changed ??= text
      if (tag === 'ROLLBACK') this.changed = null
    }
    if (type !== 'Z') return []
    this.texts.shift()
    const isIdle = body.toString('latin1') === 'I'
    if (!isIdle) return []
    const {changed} = this
    this.changed = null
    return changed === null ? [] : [changed.replace(/\s+/g, ' ').trim().slice(0, 90)]
  }
}

/** Asked with every call, and it writes once a minute only: the note when a token was used last. */
const usedToken = /^WITH found AS \(SELECT \* FROM tokens/

/** Whether a statement may have changed something: by its tag, or, for a query that changes on the way, by its text. */
function isChange(tag: string, text: string): boolean {
  if (usedToken.test(text)) return false
  const [, verb, rows] = /^([A-Z]+)(?:.* (\d+))?/.exec(tag) ?? []
  if (['INSERT', 'UPDATE', 'DELETE', 'MERGE'].includes(verb ?? ''))
    return Number(rows) > 0 || /\bwith\b/i.test(text)
  if (verb === 'SELECT')
    return /\b(insert into|delete from|record_events)\b|(?<!\bfor )\bupdate [a-z_]+ /i.test(text)
  return ['CREATE', 'ALTER', 'DROP'].includes(verb ?? '')
}

const textAt = (body: Buffer, from: number) => body.toString('utf8', from, body.indexOf(0, from))

function addressOf(databaseUrl: string): {path: string} | {host: string; port: number} {
  const url = new URL(databaseUrl)
  const port = Number(url.port || 5432)
  const folder = url.searchParams.get('host')
  return folder?.startsWith('/')
    ? {path: join(folder, `.s.PGSQL.${String(port)}`)}
    : {host: folder ?? url.hostname, port}
}

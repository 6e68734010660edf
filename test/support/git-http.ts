// A git server over HTTP as sites run it: git's own http-backend behind a server that asks for a user and password. It can
// also be told to misbehave, since real ones do.
import {spawn} from 'node:child_process'
import {once} from 'node:events'
import {createServer, type IncomingMessage, type Server, type ServerResponse} from 'node:http'
import type {AddressInfo, Socket} from 'node:net'
import type {Owner} from './system.ts'

export interface Account {
  readonly password: string
  readonly mayPush?: boolean
}

/** What the server does instead of serving; null serves. */
export type Mood =
  | null
  /** Takes the request and says nothing. */
  | {readonly mood: 'hangs'}
  /** Cuts the connection after so many bytes of a pack. */
  | {readonly mood: 'cuts'; readonly afterBytes: number}
  /** Answers each request so, with the credentials it got in the text. */
  | {readonly mood: 'answers'; readonly status: number}
  | {readonly mood: 'redirects'; readonly to: string}

export interface Asked {
  readonly user: string | null
  /** `git-upload-pack` or `git-receive-pack`. */
  readonly service: string
  readonly status: number
}

export class GitHttp {
  readonly asked: Asked[] = []
  mood: Mood = null
  private readonly root: string
  private readonly accounts: Readonly<Record<string, Account>>
  private readonly server: Server
  private readonly sockets = new Set<Socket>()

  private constructor(root: string, accounts: Readonly<Record<string, Account>>) {
    this.root = root
    this.accounts = accounts
    this.server = createServer((request, response) => this.answer(request, response))
    this.server.on('connection', (socket: Socket) => {
      this.sockets.add(socket)
      socket.on('close', () => this.sockets.delete(socket))
    })
  }

  /** Serves the repositories below `root` to these accounts, or to all when there are none. */
  static async listen(
    t: Pick<Owner, 'teardown'>,
    root: string,
    accounts: Readonly<Record<string, Account>> = {},
  ): Promise<GitHttp> {
    const git = new GitHttp(root, accounts)
    git.server.listen(0, '127.0.0.1')
    await once(git.server, 'listening')
    t.teardown(() => {
      for (const socket of git.sockets) socket.destroy()
      git.server.close()
    })
    return git
  }

  /** `http://127.0.0.1:PORT` */
  get url(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`
  }

  /** Who was let in for a service. */
  users(service: string): string[] {
    return [
      ...new Set(
        this.asked
          .filter((each) => each.service === service && each.status === 200)
          .map(({user}) => user ?? 'nobody'),
      ),
    ]
  }

  private answer(request: IncomingMessage, response: ServerResponse): void {
    const {pathname, searchParams} = new URL(request.url ?? '/', this.url)
    const service = searchParams.get('service') ?? pathname.split('/').at(-1) ?? ''
    const {user, password} = credentialsOf(request)
    const end = (status: number, text: string, headers: Record<string, string> = {}) => {
      this.asked.push({user, service, status})
      response.writeHead(status, {'Content-Type': 'text/plain; charset=utf-8', ...headers}).end(text)
    }
    if (this.mood?.mood === 'hangs') return void request.resume()
    if (this.mood?.mood === 'redirects')
      return end(302, '', {Location: `${this.mood.to}${request.url ?? '/'}`})
    const account = user === null ? undefined : this.accounts[user]
    if (Object.keys(this.accounts).length > 0 && (!account || account.password !== password))
      return end(401, `not you, ${password ?? 'nobody'}\n`, {'WWW-Authenticate': 'Basic realm="git"'})
    if (this.mood?.mood === 'answers')
      return end(this.mood.status, `no, ${user ?? ''} with ${password ?? ''}\n`)
    if (service === 'git-receive-pack' && !account?.mayPush) return end(403, 'you may only read\n')
    this.asked.push({user, service, status: 200})
    this.serve(request, response, {pathname, query: searchParams.toString(), user: user ?? ''})
  }

  private serve(
    request: IncomingMessage,
    response: ServerResponse,
    {pathname, query, user}: {pathname: string; query: string; user: string},
  ): void {
    const child = spawn('git', ['http-backend'], {
      env: {
        PATH: process.env['PATH'],
        GIT_PROJECT_ROOT: this.root,
        GIT_HTTP_EXPORT_ALL: '1',
        GIT_CONFIG_COUNT: '1',
        GIT_CONFIG_KEY_0: 'safe.directory',
        GIT_CONFIG_VALUE_0: '*',
        PATH_INFO: decodeURIComponent(pathname),
        QUERY_STRING: query,
        REQUEST_METHOD: request.method,
        REMOTE_USER: user,
        REMOTE_ADDR: '127.0.0.1',
        CONTENT_TYPE: request.headers['content-type'] ?? '',
        HTTP_CONTENT_ENCODING: request.headers['content-encoding'] ?? '',
        GIT_PROTOCOL: String(request.headers['git-protocol'] ?? ''),
      },
      stdio: ['pipe', 'pipe', 'ignore'],
    })
    child.stdin.on('error', () => undefined) // it need not read to the end
    request.pipe(child.stdin)
    response.on('close', () => child.kill())
    let head: Buffer | null = Buffer.alloc(0)
    let sent = 0
    let isCut = false
    child.stdout.on('data', (data: Buffer) => {
      let body = data
      if (head) {
        head = Buffer.concat([head, data])
        const end = head.indexOf('\r\n\r\n')
        if (end < 0) return
        writeHead(response, head.subarray(0, end).toString('latin1'))
        body = head.subarray(end + 4)
        head = null
      }
      sent += body.length
      if (this.mood?.mood === 'cuts' && request.method === 'POST' && sent > this.mood.afterBytes) {
        response.write(body.subarray(0, Math.max(0, body.length - (sent - this.mood.afterBytes))))
        isCut = true
        setTimeout(() => response.socket?.destroy(), 50)
        child.kill()
      } else response.write(body)
    })
    child.stdout.on('end', () => {
      if (!isCut) response.end()
    })
  }
}

function credentialsOf(request: IncomingMessage): {user: string | null; password: string | null} {
  const [kind, given] = (request.headers.authorization ?? '').split(' ')
  if (kind !== 'Basic' || given === undefined) return {user: null, password: null}
  const text = Buffer.from(given, 'base64').toString()
  return {user: text.slice(0, text.indexOf(':')), password: text.slice(text.indexOf(':') + 1)}
}

/** What a CGI program says before its body. */
function writeHead(response: ServerResponse, head: string): void {
  const headers = Object.fromEntries(
    head.split('\r\n').map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 2)]),
  )
  const {Status: status = '200', ...rest} = headers
  response.writeHead(Number.parseInt(status, 10), rest)
}

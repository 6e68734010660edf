// Real git repositories for tests: a bare one as the server, and a clone to commit in.
import {execFile, spawn} from 'node:child_process'
import {mkdir, mkdtemp, rm, writeFile} from 'node:fs/promises'
import {tmpdir} from 'node:os'
import {dirname, join} from 'node:path'
import {promisify} from 'node:util'
import type {ExecutionContext} from 'ava'
import type {GitSource} from '../../config/config.ts'
import {noCredentials} from '../../config/terms/repositories.ts'

const run = promisify(execFile)

/** A server's repository with a clone of it, both removed when the test ends. */
export class Repository {
  readonly home: string
  readonly server: string
  readonly clone: string
  #clock = 1_700_000_000

  private constructor(home: string) {
    this.home = home
    this.server = join(home, 'server.git')
    this.clone = join(home, 'clone')
  }

  static async make(t: Pick<ExecutionContext, 'teardown'>): Promise<Repository> {
    const repository = new Repository(await mkdtemp(join(tmpdir(), 'ostler-git-')))
    t.teardown(() => rm(repository.home, {recursive: true, force: true}))
    await run('git', ['init', '--quiet', '--bare', '-b', 'main', repository.server])
    await run('git', ['init', '--quiet', '-b', 'main', repository.clone])
    await repository.git('remote', 'add', 'origin', repository.server)
    return repository
  }

  /** Runs git in the clone; answers what it prints, trimmed. */
  async git(...argv: string[]): Promise<string> {
    const at = `${(this.#clock += 60)} +0000`
    const env = {
      PATH: process.env['PATH'],
      HOME: this.home,
      GIT_CONFIG_NOSYSTEM: '1',
      GIT_AUTHOR_NAME: 'Ann',
      GIT_AUTHOR_EMAIL: 'ann@example.org',
      GIT_COMMITTER_NAME: 'Ann',
      GIT_COMMITTER_EMAIL: 'ann@example.org',
      GIT_AUTHOR_DATE: at,
      GIT_COMMITTER_DATE: at,
    }
    const {stdout} = await run('git', argv, {cwd: this.clone, env, maxBuffer: 64 * 1024 * 1024})
    return stdout.trim()
  }

  /** Commits files (and a line of its own) on the current branch; answers the revision. */
  async commit(message: string, files: Record<string, string> = {[message]: message}): Promise<string> {
    for (const [name, text] of Object.entries(files)) {
      await mkdir(dirname(join(this.clone, name)), {recursive: true})
      await writeFile(join(this.clone, name), text)
    }
    await this.git('add', '--all')
    await this.git('commit', '--quiet', '--allow-empty', '-m', message)
    return await this.git('rev-parse', 'HEAD')
  }

  /** Many commits on a branch in one run of git, each with a file; answers the revisions, oldest first. */
  async commits(branch: string, count: number): Promise<string[]> {
    const parent = await this.git('rev-parse', '--verify', '--quiet', branch).catch(() => null)
    const blocks = Array.from({length: count}, (_, n) => {
      const message = `commit ${n}`
      const from = n === 0 && parent ? `from ${parent}\n` : ''
      return `commit refs/heads/${branch}\ncommitter Ann <ann@example.org> ${1_700_000_000 + n} +0000\ndata ${message.length}\n${message}\n${from}M 644 inline file-${n}\ndata 1\nx\n\n`
    })
    await this.fastImport(Buffer.from(blocks.join('')))
    return (await this.git('rev-list', '--reverse', ...(parent ? [`${parent}..${branch}`] : [branch]))).split(
      '\n',
    )
  }

  /** Feeds git fast-import, which makes commits that git commit would not. */
  async fastImport(stream: Buffer): Promise<void> {
    const child = spawn('git', ['fast-import', '--quiet', '--force'], {
      cwd: this.clone,
      stdio: ['pipe', 'ignore', 'inherit'],
    })
    child.stdin.end(stream)
    const code = await new Promise((resolve) => child.on('close', resolve))
    if (code !== 0) throw new Error(`fast-import ended with ${String(code)}`)
  }

  async push(...argv: string[]): Promise<void> {
    await this.git('push', '--quiet', 'origin', ...argv)
  }

  /** Where a branch of the server is, or null. */
  async tip(branch: string): Promise<string | null> {
    const out = await this.git('ls-remote', 'origin', `refs/heads/${branch}`)
    return out === '' ? null : (out.split('\t')[0] ?? null)
  }

  /** The server as a source of the configuration. */
  source(over: Partial<GitSource> = {}): GitSource {
    return {
      kind: 'git',
      name: 'repo',
      url: `file://${this.server}`,
      branches: ['**'],
      pollIntervalMs: 60_000,
      credentials: noCredentials,
      pushCredentials: null,
      ...over,
    }
  }
}

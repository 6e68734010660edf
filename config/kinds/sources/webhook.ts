// webhook: a forge tells about pushes. This file knows the three dialects: where a signature is, and what a push says.
// It reads text it cannot trust, so it looks at every field before use and never throws.
import {z} from 'zod'
import type {WebhookSource} from '../../config.ts'
import {list, thingName} from '../../terms/names.ts'
import {secretRef} from '../../terms/secrets.ts'
import {defineSource} from '../source.ts'

const dialects = ['github', 'gitea', 'gitlab'] as const

const shape = z.strictObject({
  kind: z.literal('webhook'),
  name: thingName().describe('Its name: hooks are posted to `/api/v1/hooks/NAME`.'),
  dialect: z
    .enum(dialects, {error: `expected one of ${dialects.join(', ')}`})
    .describe('Who posts. `gitea` also is Forgejo.'),
  secret: secretRef().describe(
    'The secret shared with the forge: GitHub and Gitea sign each delivery with it, GitLab sends it.',
  ),
  repositories: list(z.string({error: 'expected a clone URL or owner/name'}).min(1), 'repositories')
    .prefault([])
    .describe(
      'Repositories (clone URLs or `owner/name`) to listen to. Empty: all whose hook knows the secret.',
    ),
  wakes: thingName()
    .nullable()
    .prefault(null)
    .describe('A git source to look at once when a push is told, instead of recording what the hook says.'),
})

/** The source kind `webhook`. */
export const webhook = defineSource({
  kind: 'webhook',
  summary: 'Listen to the pushes that GitHub, Gitea, Forgejo or GitLab tell about.',
  shape,
  example: `kind: webhook
name: forge
dialect: gitea
secret: {secret: forge-hook}
`,
  references: {wakes: 'gitSource'},
  resolve: (options) => ({...options}),
})

/** Header names in lower case, as Node gives them. */
export type HookHeaders = Readonly<Record<string, string | readonly string[] | undefined>>

const header = (headers: HookHeaders, name: string): string | null => {
  const value = headers[name]
  return typeof value === 'string' && value !== '' ? value : null
}

/**
 * What a delivery brings to prove itself. `hmac`: compare `hex` with the HMAC-SHA256 of the raw bytes, keyed with the
 * secret; `token`: compare `token` with the secret itself (both in constant time); `none`: refuse, naming the header.
 */
export type Signature =
  | {readonly proof: 'hmac'; readonly hex: string}
  | {readonly proof: 'token'; readonly token: string}
  | {readonly proof: 'none'; readonly because: string}

/** Where a dialect's delivery proves itself. */
export function signature(dialect: WebhookSource['dialect'], headers: HookHeaders): Signature {
  if (dialect === 'gitlab') {
    const token = header(headers, 'x-gitlab-token')
    return token === null
      ? {proof: 'none', because: 'the header X-Gitlab-Token is missing'}
      : {proof: 'token', token}
  }
  const [name, prefix] = dialect === 'github' ? ['X-Hub-Signature-256', 'sha256='] : ['X-Gitea-Signature', '']
  const value = header(headers, name.toLowerCase())
  if (value === null) return {proof: 'none', because: `the header ${name} is missing`}
  const hex = value.startsWith(prefix) ? value.slice(prefix.length).toLowerCase() : ''
  if (!/^[0-9a-f]{64}$/.test(hex))
    return {proof: 'none', because: `the header ${name} is no HMAC-SHA256 in hexadecimal`}
  return {proof: 'hmac', hex}
}

/** The forge's own id of a delivery, the same when it is repeated; null where it sends none. */
export function deliveryOf(dialect: WebhookSource['dialect'], headers: HookHeaders): string | null {
  const names = {
    github: ['x-github-delivery'],
    gitea: ['x-gitea-delivery'],
    gitlab: ['idempotency-key', 'x-gitlab-event-uuid'],
  }
  const id = names[dialect].map((name) => header(headers, name)).find((value) => value !== null) ?? null
  return id === null ? null : id.slice(0, 200)
}

/** One commit of a push, as the store keeps a change. */
export interface HookChange {
  readonly repository: string
  readonly branch: string
  readonly revision: string
  readonly parents: readonly string[]
  readonly author: string
  readonly message: string
  readonly files: readonly string[]
  readonly filesMore: number
  readonly link: string | null
  /** ISO 8601, or null. */
  readonly committedAt: string | null
}

/** What a delivery says: changes in order, nothing to do with the reason, or not readable with the reason. */
export type HookReading =
  | {
      readonly reading: 'changes'
      readonly repository: string
      readonly branch: string
      readonly changes: readonly HookChange[]
    }
  | {readonly reading: 'nothing'; readonly because: string}
  | {readonly reading: 'malformed'; readonly because: string}

/** The JSON text of a delivery's body, which GitHub may also send as a form's field `payload`. */
export function payloadText(headers: HookHeaders, body: string): string {
  if (!(header(headers, 'content-type') ?? '').startsWith('application/x-www-form-urlencoded')) return body
  const field = body.split('&').find((each) => each.startsWith('payload='))
  try {
    return decodeURIComponent((field ?? '').slice('payload='.length).replaceAll('+', ' '))
  } catch {
    return ''
  }
}

const text = z.string()
const maybe = <T extends z.ZodType>(shaped: T) => shaped.nullish().catch(null)
const fileList = maybe(z.array(text))
const commitShape = z.object({
  id: z.string().regex(/^[0-9a-f]{40}(?:[0-9a-f]{24})?$/),
  message: text.catch(''),
  timestamp: maybe(text),
  url: maybe(text),
  author: maybe(z.object({name: maybe(text), email: maybe(text), username: maybe(text)})),
  added: fileList,
  removed: fileList,
  modified: fileList,
})
type Commit = z.infer<typeof commitShape>
const repositoryShape = z.object({
  full_name: maybe(text),
  path_with_namespace: maybe(text),
  clone_url: maybe(text),
  ssh_url: maybe(text),
  html_url: maybe(text),
  git_http_url: maybe(text),
  git_ssh_url: maybe(text),
  web_url: maybe(text),
})
type Repository = z.infer<typeof repositoryShape>
const pushShape = z.object({
  ref: text,
  after: text,
  commits: z.array(commitShape).nullish(),
  head_commit: maybe(commitShape),
  repository: maybe(repositoryShape),
  project: maybe(repositoryShape),
})

const filesMost = 1000
const noRevision = /^0+$/

/** What a verified delivery says. `body` is the parsed JSON. */
export function readHook(source: WebhookSource, headers: HookHeaders, body: unknown): HookReading {
  const event = eventOf(source.dialect, headers, body)
  if (event !== 'push') return {reading: 'nothing', because: `a delivery about ${event} changes nothing`}
  const parsed = pushShape.safeParse(body)
  if (!parsed.success) {
    const [issue] = parsed.error.issues
    return {
      reading: 'malformed',
      because: `not a push: ${issue?.path.join('.') ?? ''}: ${issue?.message ?? ''}`,
    }
  }
  const push = parsed.data
  const repository = push.project ?? push.repository
  if (!repository) return {reading: 'malformed', because: 'the push names no repository'}
  const names = namesOf(repository)
  const [name] = names
  if (name === undefined) return {reading: 'malformed', because: 'the push names no repository'}
  if (!listens(source, names))
    return {reading: 'nothing', because: `${name} is not one of this source's repositories`}
  if (!push.ref.startsWith('refs/heads/'))
    return {reading: 'nothing', because: `${push.ref.slice(0, 200)} is not a branch`}
  const branch = push.ref.slice('refs/heads/'.length)
  if (noRevision.test(push.after)) return {reading: 'nothing', because: `the branch ${branch} was deleted`}
  const commits = inOrder(push.commits ?? [], push.after, push.head_commit)
  return {
    reading: 'changes',
    repository: name,
    branch,
    changes: commits.map((commit) => changeOf(commit, name, branch)),
  }
}

/** The changes of a verified delivery, in order; none when it tells of nothing to build. */
export function changesOf(source: WebhookSource, headers: HookHeaders, body: unknown): readonly HookChange[] {
  const read = readHook(source, headers, body)
  return read.reading === 'changes' ? read.changes : []
}

function eventOf(dialect: WebhookSource['dialect'], headers: HookHeaders, body: unknown): string {
  if (dialect !== 'gitlab') return (header(headers, `x-${dialect}-event`) ?? 'nothing known').slice(0, 100)
  const told = z.object({object_kind: text}).safeParse(body)
  return told.success
    ? told.data.object_kind.slice(0, 100)
    : (header(headers, 'x-gitlab-event') ?? 'nothing known').slice(0, 100)
}

/** The repository's names, its clone URL first. */
const namesOf = (repository: Repository): string[] =>
  [
    repository.clone_url,
    repository.git_http_url,
    repository.ssh_url,
    repository.git_ssh_url,
    repository.html_url,
    repository.web_url,
    repository.full_name,
    repository.path_with_namespace,
  ].filter((each) => typeof each === 'string' && each !== '') as string[]

const bare = (name: string): string =>
  name
    .toLowerCase()
    .replace(/\/+$/, '')
    .replace(/\.git$/, '')

const listens = (source: WebhookSource, names: readonly string[]): boolean =>
  source.repositories.length === 0 ||
  source.repositories.some((wanted) => names.some((name) => bare(name) === bare(wanted)))

/**
 * A push's commits, oldest first and ending at the branch's new tip. Gitea lists the newest first; a forge cuts long
 * lists, and lists none for a new branch or one that was moved back: then the tip alone is the change.
 */
function inOrder(
  commits: readonly Commit[],
  tip: string,
  head: Commit | null | undefined,
): readonly Commit[] {
  const newestFirst = commits.length > 1 && commits[0]?.id === tip
  const ordered = newestFirst ? commits.toReversed() : commits
  if (ordered.some(({id}) => id === tip)) return ordered
  const parsed = head?.id === tip ? head : commitShape.safeParse({id: tip, message: ''}).data
  return parsed ? [...ordered, parsed] : ordered
}

function changeOf(commit: Commit, repository: string, branch: string): HookChange {
  const files = [...new Set([...(commit.added ?? []), ...(commit.modified ?? []), ...(commit.removed ?? [])])]
  const {name, email, username} = commit.author ?? {}
  const at = Date.parse(commit.timestamp ?? '')
  return {
    repository,
    branch,
    revision: commit.id,
    parents: [],
    author: [name ?? username ?? '', email ? `<${email}>` : ''].filter((part) => part !== '').join(' '),
    message: commit.message,
    files: files.slice(0, filesMost),
    // A forge that lists no files does not say that none were touched.
    filesMore: files.length === 0 ? 1 : Math.max(0, files.length - filesMost),
    link: commit.url != null && /^https?:\/\//.test(commit.url) ? commit.url : null,
    committedAt: Number.isNaN(at) ? null : new Date(at).toISOString(),
  }
}

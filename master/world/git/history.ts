// Reading commits. Whatever a commit holds (bytes that are no UTF-8, a megabyte of message, ten thousand files), what
// comes out is text of bounded size.

/** A commit as it is told to people and schedulers. */
export interface Commit {
  readonly revision: string
  readonly parents: readonly string[]
  readonly author: string
  readonly message: string
  /** Touched since the first parent: at most `filesMax` of them. */
  readonly files: readonly string[]
  readonly filesMore: number
  readonly committedAt: Date | null
}

export const filesMax = 1000
export const messageBytesMax = 64 * 1024
/** Commits read by one run of git, so that a push of many long messages is not in memory at once. */
export const commitsAtOnce = 50

/** Fields end with NUL, which no commit can hold, so six of them are one commit whatever they contain. */
export const logFormat = '%H%x00%P%x00%an <%ae>%x00%ct%x00%B'
const fieldCount = 5

/** The commits of `git log -z --format=logFormat`, without their files. */
export function parseLog(out: string): Commit[] {
  const fields = out.split('\0')
  const commits: Commit[] = []
  for (let at = 0; at + fieldCount <= fields.length; at += fieldCount) {
    const [revision, parents, author, seconds, message] = fields.slice(at, at + fieldCount) as [
      string,
      string,
      string,
      string,
      string,
    ]
    commits.push({
      revision: revision.trim(),
      parents: parents.split(' ').filter((parent) => parent !== ''),
      author: cutText(author, 1000),
      message: cutText(message.replace(/\n+$/, ''), messageBytesMax),
      files: [],
      filesMore: 0,
      committedAt: commitTime(Number(seconds)),
    })
  }
  return commits
}

/** The files of each commit, from `git diff-tree --stdin --raw -z`: entries begin with a colon, commits do not. */
export function parseFiles(out: string): Map<string, {files: string[]; filesMore: number}> {
  const found = new Map<string, {files: string[]; filesMore: number}>()
  let current = {files: [] as string[], filesMore: 0}
  const tokens = out.split('\0')
  for (let at = 0; at < tokens.length; at += 1) {
    const token = tokens[at] as string
    if (token.startsWith(':')) {
      at += 1
      if (current.files.length < filesMax) current.files.push(cutText(tokens[at] ?? '', 4096))
      else current.filesMore += 1
    } else if (token.trim() !== '') {
      current = {files: [], filesMore: 0}
      found.set(token.trim(), current)
    }
  }
  return found
}

/** A text cut to a number of bytes, saying so. */
export function cutText(text: string, bytesMax: number): string {
  const bytes = Buffer.byteLength(text)
  if (bytes <= bytesMax) return text
  const kept = Buffer.from(text)
    .subarray(0, bytesMax)
    .toString('utf8')
    .replace(/\uFFFD$/, '')
  return `${kept}\n[cut: ${bytes} bytes, of which ${bytesMax} are kept]`
}

/** A commit's time, or null when it is not one that a calendar knows. */
function commitTime(seconds: number): Date | null {
  const lastSecond = 253_402_300_799 // the end of the year 9999
  return Number.isFinite(seconds) && seconds >= 0 && seconds <= lastSecond ? new Date(seconds * 1000) : null
}

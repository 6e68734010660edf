// Keeps secrets out of what is given to strangers: those that are known by their value, in every form they may take, and those that
// are known by where they stand. Rather too much than too little is taken out.

const mark = '[secret]'
const shortest = 4

/** What a secret may look like elsewhere: as it is, each of its lines, and encoded as programs encode. */
export function formsOf(secret: string): readonly string[] {
  const whole = secret.trim()
  const plain = [whole, ...whole.split(/\r?\n/).map((line) => line.trim())]
  const forms = plain
    .filter((text) => text.length >= shortest)
    .flatMap((text) => [
      text,
      inJson(text),
      inJson(inJson(text)),
      encodeURIComponent(text),
      ...bases(text),
      Buffer.from(text).toString('hex'),
    ])
  return [...new Set(forms)].sort((a, b) => b.length - a.length)
}

const inJson = (text: string): string => JSON.stringify(text).slice(1, -1)

/** In base64 at each of the three places in which it may begin, without the characters that neighbours change. */
function bases(text: string): string[] {
  return ['', 'x', 'xx']
    .flatMap((before) =>
      (['base64', 'base64url'] as const).map((encoding) => {
        const encoded = Buffer.from(before + text)
          .toString(encoding)
          .replace(/=+$/, '')
        const from = before === '' ? 0 : before.length + 1
        return encoded.slice(from, encoded.length - 1)
      }),
    )
    .filter((encoded) => encoded.length >= 8)
}

/** Names whose values are secrets. */
const telling =
  'passw(?:or)?d|passphrase|secret|token|credential|api[_-]?key|access[_-]?key|private[_-]?key|cookie|authorization|signature|webhook|dsn'
const secretName = new RegExp(`(${telling})`, 'i')

const places: readonly (readonly [RegExp, string])[] = [
  [/-----BEGIN ([A-Z ]*)PRIVATE KEY-----[^]*?(-----END [A-Z ]*PRIVATE KEY-----|$)/g, mark],
  [/\bostler_[a-z]_\w+/g, mark],
  // In an address: whoever goes there by which password.
  [/([a-z][a-z0-9+.-]*:\/\/)[^\s/@'"]*@/gi, `$1${mark}@`],
  [/\b((?:Proxy-)?Authorization|Cookie|Set-Cookie)(["']?\s*[:=]\s*).+/gi, `$1$2${mark}`],
  [/\b(Bearer|Basic|Token)\s+[\w.~+/=-]{8,}/g, `$1 ${mark}`],
  [
    /\b(gh[pousr]_\w{20,}|github_pat_\w{20,}|glpat-[\w-]{16,}|xox[abpsr]-[\w-]{10,}|AKIA[A-Z0-9]{16})\b/g,
    mark,
  ],
  // A web token: three parts, of which the first says what it is.
  [/\beyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*/g, mark],
  [/\bhttps:\/\/hooks\.[\w.-]+\/\S+/g, mark],
  [/([?&](?:[\w-]*(?:token|key|secret|password|signature|sig))=)[^&\s"']+/gi, `$1${mark}`],
]

const value = `("(?:[^"\\\\]|\\\\.)*"|'[^']*'|[^\\s,;}\\]]+)`
/** Not where a secret is only named, as a configuration does: `{secret: chat-url}`, which JSON never writes so. */
const notNamed = '(?!(?<=\\{\\s*)secret:\\s*[\\w-]+\\s*\\})'
/** A name that is given a value: `password: x`, `PGPASSWORD=x`, `"token": "x"`. */
const given = new RegExp(`${notNamed}(["']?[\\w.-]*(?:${telling})[\\w.-]*["']?\\s*[:=]\\s*)${value}`, 'gi')
/** An option of a command whose value follows it: `--password x`. */
const option = new RegExp(`(--[\\w-]*(?:${telling})[\\w-]*\\s+)${value}`, 'gi')

/** Text without the secrets that are known by their values (in the forms of `formsOf`), nor those that are known by their places. */
export function censored(text: string, forms: readonly string[]): string {
  let out = text
  for (const form of forms) out = out.replaceAll(form, mark)
  for (const [pattern, instead] of places) out = out.replace(pattern, instead)
  const without = (whole: string, before: string, said: string) =>
    said.includes(mark) || isHarmless(said) ? whole : `${before}${mark}`
  return out.replace(given, without).replace(option, without)
}

/** Where a secret is named and not told: `{secret: chat-url}`, `null`, a number of something. */
const isHarmless = (value: string): boolean =>
  /^["']?(\{|null|true|false|none|\d{1,6}["']?$|["']{2}$)/.test(value)

/** The secrets among an environment's lines: the values of names that sound like one, and passwords in addresses. */
export function secretsOfEnvironment(text: string): readonly string[] {
  return text.split('\n').flatMap((line) => {
    const [, name = '', raw = ''] = /^\s*(?:export\s+)?([A-Za-z_]\w*)=(.*)$/.exec(line) ?? []
    const value = raw.trim().replace(/^(["'])(.*)\1$/, '$2')
    const passwords = [...value.matchAll(/:\/\/[^\s/@:]*:([^\s@]+)@/g)].map(([, password = '']) => password)
    return [
      ...(secretName.test(name) && value !== '' ? [value] : []),
      ...passwords,
      ...passwords.map(decoded),
    ]
  })
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

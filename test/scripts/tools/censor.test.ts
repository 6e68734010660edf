// No secret gets into a report for others, in whatever form it stands there, and what is none stays readable.
import test from 'ava'
import fc from 'fast-check'
import {censored, formsOf, secretsOfEnvironment} from '../../../scripts/tools/censor.ts'

const secret = 'hunter2-äß "quoted" \\ and & more'

const forms: readonly (readonly [string, (text: string) => string])[] = [
  ['as it is', (text) => text],
  ['in JSON', (text) => JSON.stringify({value: text})],
  ['in JSON within JSON', (text) => JSON.stringify(JSON.stringify({value: text}))],
  ['in an address', (text) => `https://host/?q=${encodeURIComponent(text)}`],
  ['in base64', (text) => Buffer.from(text).toString('base64')],
  ['in base64 after a name', (text) => Buffer.from(`user:${text}`).toString('base64')],
  ['in base64 after a longer name', (text) => Buffer.from(`users:${text}`).toString('base64')],
  ['in base64 for addresses', (text) => Buffer.from(`x${text}`).toString('base64url')],
  ['in hexadecimal', (text) => Buffer.from(text).toString('hex')],
  ['in a line of a journal', (text) => `Nov 22 14:00:00 host ostler[7]: argument ${text} was refused`],
]

for (const [form, write] of forms)
  test(`a known secret goes ${form}`, (t) => {
    const out = censored(`before ${write(secret)} after`, formsOf(secret))
    t.false(out.includes(secret))
    t.true(out.includes('[secret]'), out)
    for (const part of ['hunter2', Buffer.from('hunter2').toString('hex')]) t.false(out.includes(part), out)
  })

test('whatever the secret, none of what it is known by is left', (t) => {
  fc.assert(
    fc.property(
      fc.string({minLength: 6, unit: 'binary'}),
      fc.string(),
      fc.string(),
      (value, before, after) => {
        const known = formsOf(value)
        for (const [, write] of forms.slice(0, 2)) {
          const out = censored(`${before}${write(value)}${after}`, known)
          for (const form of known.filter((each) => !'[secret]'.includes(each))) t.false(out.includes(form))
        }
      },
    ),
  )
})

test('each line of a key of many lines goes', (t) => {
  const key =
    '-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEA\nAAAABG5vbmUAAAAE\n-----END OPENSSH PRIVATE KEY-----\n'
  t.notRegex(censored(`x: AAAABG5vbmUAAAAE\n${key}`, formsOf(key)), /AAAAB|b3Blb/)
})

const unknown: readonly (readonly [string, string])[] = [
  ['a token of ours', 'used ostler_w_c2VjcmV0c2VjcmV0'],
  ['a password in an address', 'postgres://ostler:c2VjcmV0c2VjcmV0@db/ostler'],
  ['a header', 'authorization: Bearer c2VjcmV0c2VjcmV0'],
  ['a cookie', '"set-cookie":"session=c2VjcmV0c2VjcmV0; Path=/"'],
  ['a line of an environment', 'SMTP_PASSWORD=c2VjcmV0c2VjcmV0'],
  ['a value in YAML', 'password: c2VjcmV0c2VjcmV0'],
  ['a value in JSON', '{"apiKey": "c2VjcmV0c2VjcmV0", "a": 1}'],
  ['the first value in JSON', '{"secret":"c2VjcmV0c2VjcmV0"}'],
  ['an option of a command', 'mysql --password c2VjcmV0c2VjcmV0 db'],
  ['an option with its value', 'psql --password=c2VjcmV0c2VjcmV0'],
  ['a key', '-----BEGIN RSA PRIVATE KEY-----\nc2VjcmV0c2VjcmV0\n-----END RSA PRIVATE KEY-----'],
  ['a signed address', 'GET /x?X-Amz-Signature=c2VjcmV0c2VjcmV0&y=1'],
  ['a web token', 'eyJhbGciOiJIUzI1NiJ9.eyJc2VjcmV0c2VjcmV0.c2VjcmV0c2VjcmV0'],
  ['an address of a chat', 'url: https://hooks.slack.com/services/T0/B0/c2VjcmV0c2VjcmV0'],
]

for (const [what, text] of unknown)
  test(`what nobody knew to be secret goes by where it stands: ${what}`, (t) => {
    t.notRegex(censored(text, []), /c2VjcmV0/)
  })

test('what is no secret stays', (t) => {
  for (const text of [
    'worker w1 connected, token 7 is fine',
    'secret: {secret: chat-url}',
    'url: { secret: chat-url }',
    'listening at http://127.0.0.1:8010',
    'builds 42, tokens: 3',
    'password: null',
    'ostler_ledger_findings{check="x"} 0',
  ])
    t.is(censored(text, formsOf('')), text)
})

test('an environment tells its secrets: by names that sound like one, and passwords in addresses', (t) => {
  t.deepEqual(
    secretsOfEnvironment(
      '# a\nA_TOKEN="one"\nOSTLER_DATABASE_URL=postgres://o:t%2Fwo@h/d\nPATH=/bin\nexport SMTP_PASSWORD=three\n',
    ),
    ['one', 't%2Fwo', 't/wo', 'three'],
  )
})

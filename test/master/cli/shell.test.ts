// What is printed from the help: man pages that their readers take without a word, and completion in the real shells.
import test from 'ava'
import {spawn, spawnSync} from 'node:child_process'
import {mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {fileURLToPath} from 'node:url'
import {ostlerProgram} from '../../../master/cli/program.ts'
import {bashCompletion} from '../../../master/cli/shell/bash.ts'
import {manualOf} from '../../../master/cli/shell/manual.ts'
import {everyUsage, usageOf} from '../../../master/cli/shell/usage.ts'
import {zshCompletion} from '../../../master/cli/shell/zsh.ts'
import {needs} from '../../support/needs.ts'

const usage = usageOf(ostlerProgram(() => undefined))
const pages = manualOf(usage, {version: 'Ostler 1', date: '2026-11-22'})
const page = (file: string) => pages.find((each) => each.file === file)?.text ?? ''
const folder = mkdtempSync(join(tmpdir(), 'ostler-shell-'))
test.after.always(() => rmSync(folder, {recursive: true}))

test('every verb has a man page with all its options, the worker too', (t) => {
  for (const verb of everyUsage(usage).filter(({path}) => path.length === 2)) {
    const text = page(`${verb.path.join('-')}.1`).replaceAll('\\-', '-')
    for (const {flags} of verb.options)
      t.true(text.includes(flags.replace(/<.*/, '')), `${verb.path.join(' ')} ${flags}`)
    t.true(page('ostler.1').includes(`ostler\\-${verb.path[1]?.replaceAll('-', '\\-') ?? ''}\\fR(1)`))
  }
  t.regex(page('ostler-worker.1'), /\\-\\-spool\\-full.*\n.*[^]*one of truncate,\s+block/)
  t.regex(page('ostler.1'), /\.SH EXIT STATUS\nExit codes: 0 done/)
  t.regex(page('ostler-promote.1'), /\.SH ENVIRONMENT\n\.TP\n\\fBOSTLER_MASTER/)
})

test('no text of the help is an order to roff', (t) => {
  const [only] = manualOf(
    {...usage, summary: 'say .so /etc/passwd', verbs: [], after: ".so /etc/passwd\n\n'br\n\n  .de X\n  a\\b"},
    {version: 'Ostler 1', date: '2026-11-22'},
  )
  t.regex(only?.text ?? '', /^\\&\.so \/etc\/passwd$/m)
  t.regex(only?.text ?? '', /^\\&'br$/m)
  t.regex(only?.text ?? '', /^  a\\eb$/m)
})

needs('man-readers')('man pages are read without a warning', (t) => {
  for (const {file, text} of pages) {
    const path = join(folder, file)
    writeFileSync(path, text)
    const linted = spawnSync('mandoc', ['-Tlint', path], {encoding: 'utf8'})
    t.is(linted.stdout + linted.stderr, '', file)
    const shown = spawnSync('groff', ['-man', '-ww', '-z', '-K', 'utf8', '-T', 'utf8', path], {
      encoding: 'utf8',
    })
    t.is(shown.stderr, '', file)
  }
})

test('what is printed twice is the same, and bears the day of the version', (t) => {
  const script = fileURLToPath(new URL('../../../scripts/print-commands.js', import.meta.url))
  const print = (name: string) => {
    const place = join(folder, name)
    const env = {...process.env, SOURCE_DATE_EPOCH: '1700000000'}
    t.is(spawnSync(process.execPath, [script, place], {env, encoding: 'utf8'}).stderr, '')
    const files = readdirSync(place, {recursive: true, withFileTypes: true}).filter((each) => each.isFile())
    return files
      .map(({parentPath, name: file}) => [file, readFileSync(join(parentPath, file), 'utf8')])
      .sort()
  }
  const first = print('first')
  t.deepEqual(print('second'), first)
  t.true(first.some(([file, text]) => file === 'ostler.1' && text?.startsWith('.TH OSTLER 1 2023-11-14 ')))
})

test('an empty line is offered verbs, a dash options, and an option what fits it', (t) => {
  const script = join(folder, 'asked')
  writeFileSync(
    script,
    `${bashCompletion(usage)}\nCOMP_WORDS=("$@") COMP_CWORD=$(($# - 1))\n_ostler\nprintf '%s\\n' "\${COMPREPLY[@]}"`,
  )
  const offered = (...words: string[]) =>
    spawnSync('bash', [script, 'ostler', ...words], {encoding: 'utf8', cwd: '/etc'})
      .stdout.split('\n')
      .filter((line) => line !== '')
  t.deepEqual(offered('').slice(0, 3), ['master', 'worker', 'check-config'])
  t.deepEqual(offered('prom'), ['promotions', 'promote'])
  t.deepEqual(offered('token', ''), ['worker', 'user', 'list', 'revoke'])
  t.deepEqual(offered('token', 'user', '--ro'), ['--role'])
  t.deepEqual(offered('token', 'user', '--role', 'o'), ['operator'])
  t.deepEqual(offered('master', '--log-level', '=', 'd'), ['debug'])
  t.deepEqual(offered('master', '--log-level', '='), ['debug', 'info', 'warn', 'error', 'silent'])
  t.deepEqual(offered('completion', ''), ['bash', 'zsh'])
  t.deepEqual(offered('worker', '--spool-full', 't'), ['truncate'])
  t.deepEqual(offered('log', '-f', '7', '--j'), ['--json'])
  t.true(offered('check-config', 'passw').includes('passwd'))
  t.true(offered('master', '--state-dir', '').includes('init.d'))
  t.false(offered('master', '--state-dir', '').includes('passwd'))
  t.deepEqual(offered('hold', ''), [])
  t.deepEqual(offered('force', '--reason', 'token', 'li'), [], 'a value is no verb')
})

const shells = [
  ['bash', ['--norc', '--noprofile', '-i'], (file: string) => `source ${file}`, bashCompletion(usage)],
  [
    'zsh',
    ['-f', '-i'],
    (file: string) => `autoload -U compinit; compinit -u -D; fpath=(${folder} $fpath); source ${file}`,
    zshCompletion(usage),
  ],
] as const

for (const [shell, options, loading, script] of shells)
  needs(shell)(`the tab key of a real ${shell} completes verbs, options and choices`, async (t) => {
    mkdirSync(join(folder, shell))
    const file = join(folder, shell, '_ostler')
    writeFileSync(file, script)
    const env = {...process.env, TERM: 'dumb', EDITOR: 'emacs', PS1: '> '}
    // Only a terminal has a tab key; `script` lends one.
    const child = spawn('script', ['-qfec', [shell, ...options].join(' '), '/dev/null'], {
      env,
      stdio: ['pipe', 'pipe', 'inherit'],
    })
    t.teardown(() => child.kill('SIGKILL'))
    let heard = ''
    child.stdout.on('data', (bytes: Buffer) => (heard += bytes.toString()))
    const line = async (typed: string, answer: RegExp) => {
      heard = ''
      child.stdin.write(`${typed}\r`)
      for (let tries = 0; tries < 300 && !answer.test(heard); tries++)
        await new Promise((resolve) => setTimeout(resolve, 50))
      t.regex(heard, answer, typed)
    }
    // The beginning of the line is where the words are shown instead of run.
    const completes = (typed: string, words: string) =>
      line(`${typed}\x01printf '<%s>' `, new RegExp(`^${words}`, 'm'))
    await line(`${shell === 'bash' ? '' : 'bindkey -e; '}${loading(file)}; echo read''y`, /^ready/m)
    await completes('ostler promo\ti\t', '<ostler><promotions>')
    await completes(
      'ostler mast\t --log\tde\t',
      '<ostler><master><--log-level[>=]<?debug>'.replace('<?', '(<)?'),
    )
    await completes('ostler token us\t--ro\tvi\t', '<ostler><token><user><--role(><|=)viewer>')
    await completes('ostler completion z\t', '<ostler><completion><zsh>')
    await completes('ostler worker --spool-full bl\t', '<ostler><worker><--spool-full><block>')
    child.stdin.end('exit\r')
  })

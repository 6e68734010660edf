import {mkdirSync, mkdtempSync, rmSync, writeFileSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import test from 'ava'
import {fileTrouble, refuseForeign} from '../../../worker/systemd/file-trouble.ts'

const failed = (code: string, path?: string) => Object.assign(new Error(code), {code, ...(path && {path})})

test('a failed file operation says what to do about it', (t) => {
  t.is(
    fileTrouble(failed('ENOSPC', '/var/lib/x/log'), '/var/lib/x'),
    'no room is left on the disk of /var/lib/x/log: free some, then start again',
  )
  t.regex(fileTrouble(failed('EROFS'), '/var/lib/x') ?? '', /^\/var\/lib\/x may only be read/)
  t.regex(
    fileTrouble(failed('EACCES', '/nowhere/x/id'), '/nowhere/x') ?? '',
    /^this user \(\d+\) may not use \/nowhere\/x\/id \(it belongs to user \d+\): chown -R \d+:\d+ \/nowhere\/x$/,
  )
})

test('what has nothing to do with our files is left as it is', (t) => {
  t.is(fileTrouble(failed('EACCES', '/etc/shadow'), '/var/lib/x'), null)
  t.is(fileTrouble(failed('ECONNREFUSED'), '/var/lib/x'), null)
})

test('a directory whose content is ours is no trouble', (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'ostler-own-'))
  t.teardown(() => {
    rmSync(directory, {recursive: true})
  })
  mkdirSync(join(directory, 'logs'))
  writeFileSync(join(directory, 'id'), 'x')
  t.notThrows(() => {
    refuseForeign(directory)
  })
})

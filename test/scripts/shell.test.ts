// Every shell script of the house is one that shellcheck has nothing against.
import {spawnSync} from 'node:child_process'
import {existsSync, readFileSync, statSync} from 'node:fs'
import {join} from 'node:path'
import {needs} from '../support/needs.ts'
import {allFiles, repository} from '../support/sources.ts'
import {supervise} from '../../worker/world/supervise.sh.ts'

const isShell = (file: string): boolean => {
  const path = join(repository, file)
  if (!existsSync(path) || !statSync(path).isFile() || statSync(path).size > 200_000) return false
  const text = readFileSync(path, 'utf8')
  return /^#!\/bin\/(ba|da)?sh|^#!\/usr\/bin\/env (ba)?sh/.test(text)
}

needs('shellcheck')('shellcheck has nothing against any script', (t) => {
  const scripts = allFiles().filter(isShell)
  t.true(scripts.includes('.ci/run') && scripts.includes('scripts/make-test-images'), scripts.join(' '))
  const checked = spawnSync('shellcheck', ['--severity=warning', ...scripts], {
    cwd: repository,
    encoding: 'utf8',
  })
  t.is(checked.stdout + checked.stderr, '')
})

needs('shellcheck')('nor against the supervisor of steps', (t) => {
  const checked = spawnSync('shellcheck', ['--severity=warning', '--shell=sh', '-'], {
    input: supervise,
    encoding: 'utf8',
  })
  t.is(checked.stdout + checked.stderr, '')
})

// The demo's repository: a bare one that stands for the server, and a clone in which somebody works.
import {execFileSync} from 'node:child_process'
import {mkdirSync, writeFileSync} from 'node:fs'
import {join} from 'node:path'

export interface Sample {
  /** The server's side. */
  readonly url: string
  /** Commits a new version of files and pushes it to main; answers the commit. */
  push(subject: string, files: Readonly<Record<string, string>>): string
  /** Where a branch of the server points. */
  tip(branch: string): string
}

const greet = (greeting: string) => `#!/bin/sh
# Greets whoever is named.
echo "${greeting}, \${1:-world}"
`

const build = `#!/bin/sh
# "Builds" the program: checks its syntax and puts it into place.
set -eu
sh -n greet.sh
mkdir -p out
cp greet.sh out/greet
chmod 755 out/greet
echo "built out/greet, $(wc -c <out/greet) bytes"
`

const test = `#!/bin/sh
# Fails when the program does not say what it should.
set -eu
for name in world Ostler; do
  said=$(sh out/greet "$name")
  echo "greet $name says: $said"
  if [ "$said" != "Hello, $name" ]; then
    printf '\\033[31mexpected: Hello, %s\\033[0m\\n' "$name"
    exit 1
  fi
  sleep 0.3
done
printf '\\033[32mall greetings are right\\033[0m\\n'
`

/** A first version, on both main and stable. */
export function makeSample(folder: string): Sample {
  const url = join(folder, 'sample.git')
  const clone = join(folder, 'sample')
  const git = (...args: string[]) =>
    execFileSync('git', args, {
      cwd: clone,
      encoding: 'utf8',
      env: gitEnvironment,
      stdio: ['ignore', 'pipe', 'pipe'],
    }).trim()
  const commit = (subject: string, files: Readonly<Record<string, string>>) => {
    for (const [name, text] of Object.entries(files)) writeFileSync(join(clone, name), text)
    git('add', '--all')
    git('commit', '--quiet', '--message', subject)
    return git('rev-parse', 'HEAD')
  }
  mkdirSync(clone, {recursive: true})
  execFileSync('git', ['init', '--quiet', '--bare', '--initial-branch=main', url], {env: gitEnvironment})
  git('init', '--quiet', '--initial-branch=main')
  git('remote', 'add', 'origin', url)
  commit('A program that greets', {'greet.sh': greet('Hello'), 'build.sh': build, 'test.sh': test})
  git('push', '--quiet', 'origin', 'main', 'main:stable')
  return {
    url,
    push: (subject, files) => {
      const revision = commit(subject, files)
      git('push', '--quiet', 'origin', 'main')
      return revision
    },
    tip: (branch) =>
      execFileSync('git', ['--git-dir', url, 'rev-parse', `refs/heads/${branch}`], {
        encoding: 'utf8',
        env: gitEnvironment,
      }).trim(),
  }
}

/** A commit whose test fails, and the one that puts it right. */
export const brokenGreeting = {'greet.sh': greet('Hullo')}
export const rightGreeting = {
  'greet.sh': greet('Hello').replace('whoever is named', 'whoever is named, or the world'),
}

/** Nobody's settings, signatures or hooks, and a committer also where the user has told git no name. */
const gitEnvironment: NodeJS.ProcessEnv = {
  PATH: process.env['PATH'],
  HOME: '/nonexistent',
  GIT_CONFIG_NOSYSTEM: '1',
  GIT_CONFIG_GLOBAL: '/dev/null',
  GIT_AUTHOR_NAME: 'Ada',
  GIT_AUTHOR_EMAIL: 'ada@example.org',
  GIT_COMMITTER_NAME: 'Ada',
  GIT_COMMITTER_EMAIL: 'ada@example.org',
}

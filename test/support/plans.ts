// Steps for workers under test that need a little more than a script: checkouts, and what there is to check out.
import {execFileSync} from 'node:child_process'
import type {Checkout, Spawn, ContainerPlan, PlanStep} from '../../worker/protocol/plan.ts'
import {freshDir, step} from './worker-process.ts'

/** A container of this image with nothing special about it but what is given. */
export const container = (
  image: string,
  special: Partial<ContainerPlan> = {},
): {container: ContainerPlan} => ({
  container: {image, memoryBytes: null, cpus: null, pids: null, network: 'none', user: null, ...special},
})

/** A script, told where to work. */
export const stepIn = (workdir: string, script: string, name: string): PlanStep => {
  const plain = step(script, {name})
  return {...plain, command: {...(plain.command as Spawn), workdir: [workdir]}}
}

/** A checkout of `main`. */
export const checkout = (repository: string, special: Partial<Checkout> = {}): PlanStep =>
  step('', {
    name: 'checkout',
    command: {
      command: 'checkout',
      name: 'src',
      url: [repository],
      branch: ['main'],
      revision: [''],
      workdir: ['src'],
      mode: 'clean',
      depth: null,
      submodules: false,
      ...special,
    },
  })

/** A repository with one commit on `main`, of this user, since git serves nobody else's. */
export function repositoryOfOneCommit(uid = process.getuid?.() ?? 0): string {
  const repository = freshDir()
  const git = (...args: string[]) =>
    execFileSync('git', ['-C', repository, '-c', 'user.name=a', '-c', 'user.email=a@x', ...args])
  git('init', '-q', '-b', 'main')
  git('commit', '-q', '--allow-empty', '-m', 'one')
  execFileSync('chown', ['-R', String(uid), repository])
  return repository
}

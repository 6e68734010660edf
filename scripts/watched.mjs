// Running a long program for somebody who watches: quiet, with a sign of life. Plain Node without packages.
import {spawn} from 'node:child_process'
import {root} from './place.mjs'

/**
 * Runs a program in the repository's folder and keeps what it prints, calling `tick` with the seconds passed every ten
 * seconds; answers its exit code (a signal's name, when one ended it), its output and how many seconds it took.
 */
export function watched([file, ...first], rest, {env, tick}) {
  return new Promise((resolve) => {
    const started = Date.now()
    const passed = () => Math.round((Date.now() - started) / 1000)
    const child = spawn(file, [...first, ...rest], {cwd: root, env, stdio: ['ignore', 'pipe', 'pipe']})
    let output = ''
    for (const stream of [child.stdout, child.stderr])
      stream.setEncoding('utf8').on('data', (text) => (output += text))
    const timer = setInterval(() => tick(passed()), 10_000)
    const settle = (code) => {
      clearInterval(timer)
      resolve({code, output, seconds: passed()})
    }
    child.on('error', (error) => {
      output += error.message
      settle(1)
    })
    child.on('close', (code, signal) => settle(code ?? signal))
  })
}

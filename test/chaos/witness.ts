// What the builds of a storm do: each step writes to a side file what truly ran, and prints a text that follows from the
// build's key, so that the judge can work it out again, byte by byte.
import {existsSync, readFileSync} from 'node:fs'
import {written} from '../support/written.ts'

export const stepNames = ['one', 'two', 'three'] as const
export type StepName = (typeof stepNames)[number]

/** Every so many builds, one fails in its last step. */
const failsEvery = 13

export const expectedResult = (key: number): 'success' | 'failure' =>
  key % failsEvery === 0 ? 'failure' : 'success'

const seedOf = (key: number, step: number): number => (key * 7919 + step * 104_729 + 1) % 2_147_483_647

/** The shell program that is every step: `step.sh KEY STEP-NUMBER STEP-NAME SIDE-FILE`. */
export const stepScript = `key=$1 number=$2 name=$3 side=$4
echo "$key $OSTLER_ATTEMPT $name begin" >>"$side"
part() {
  awk -v key="$key" -v number="$number" -v part="$1" 'BEGIN {
    s = (key * 7919 + number * 104729 + 1) % 2147483647
    count = 10 + s % 90
    for (n = 0; n < count; n++) {
      s = (s * 16807) % 2147483647
      line = key " " number " " n " é " s
      if (s % 11 == 0) for (m = 0; m < 40; m++) line = line " " (s + m)
      if ((n % 2) == part) printf "%s\\n", line
    }
  }'
}
part 0
sleep "0.$(( (key * 7 + number * 3) % 10 ))"
part 1
echo "$key $OSTLER_ATTEMPT $name end" >>"$side"
[ "$name" != three ] || [ $((key % ${failsEvery})) != 0 ]
`

/** What a step prints. */
export function printed(key: number, name: StepName): string {
  const number = stepNames.indexOf(name)
  let s = seedOf(key, number)
  const count = 10 + (s % 90)
  const parts: [string, string] = ['', '']
  for (let n = 0; n < count; n++) {
    s = (s * 16_807) % 2_147_483_647
    const more = s % 11 === 0 ? Array.from({length: 40}, (_, m) => ` ${s + m}`).join('') : ''
    parts[n % 2 === 0 ? 0 : 1] += `${key} ${number} ${n} é ${s}${more}\n`
  }
  return parts.join('')
}

/** The configuration of a storm: one builder, forced with a key. */
export function configuration(folder: string, workers: readonly string[], missingTimeout: string): string {
  const step = (name: StepName) => ({
    kind: 'shell',
    name,
    command: `exec sh ${folder}/step.sh \${props.key} ${stepNames.indexOf(name)} ${name} ${folder}/side`,
  })
  return written([{name: 'b', steps: stepNames.map(step), collapseRequests: false} as never], {
    workers: workers.map((name) => ({name, missingTimeout})),
    schedulers: [
      {
        name: 'storm',
        kind: 'force',
        builders: ['b'],
        parameters: [{name: 'key', kind: 'integer', required: true}],
      },
    ],
  })
}

/** What truly ran, by key, then attempt: how often each step began and ended. */
export type Side = ReadonlyMap<number, ReadonlyMap<string, ReadonlyMap<string, number>>>

/** Reads the side file. */
export function readSide(file: string): Side {
  const side = new Map<number, Map<string, Map<string, number>>>()
  for (const line of existsSync(file) ? readFileSync(file, 'utf8').split('\n') : []) {
    const [key, attempt, name, edge] = line.split(' ')
    if (key === undefined || attempt === undefined || name === undefined || edge === undefined) continue
    const attempts = side.get(Number(key)) ?? new Map<string, Map<string, number>>()
    const edges = attempts.get(attempt) ?? new Map<string, number>()
    const what = `${name} ${edge}`
    side.set(Number(key), attempts.set(attempt, edges.set(what, (edges.get(what) ?? 0) + 1)))
  }
  return side
}

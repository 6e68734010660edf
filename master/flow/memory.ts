// What was read from git once and can never change: how commits lie to each other. It spares a run of git for every branch
// that stands where it stood at the last tick.

/** How much is remembered for one git, in commits: some 150 bytes each. A branch that is further behind is read at each tick. */
const most = 250_000
/** What any answer weighs, however little it holds: so there are never more than a few thousand. */
const least = 100

interface Answer {
  readonly answer: Promise<unknown>
  /** In commits; 0 until it is there. */
  weight: number
}
const known = new WeakMap<object, Map<string, Answer>>()

/** The answer that this git gave before to the same question about the same commits, or a new one. `weigh` says how many commits it holds. */
export async function recall<T>(
  git: object,
  question: string,
  ask: () => Promise<T>,
  weigh: (answer: T) => number = () => 0,
): Promise<T> {
  const answers = known.get(git) ?? new Map<string, Answer>()
  known.set(git, answers)
  const one = answers.get(question) ?? {answer: ask(), weight: 0}
  // Asked last, it stands last; the oldest goes first.
  answers.delete(question)
  answers.set(question, one)
  try {
    const answer = (await one.answer) as T
    one.weight = least + weigh(answer)
    forget(answers)
    return answer
  } catch (error) {
    answers.delete(question)
    throw error
  }
}

function forget(answers: Map<string, Answer>): void {
  let sum = [...answers.values()].reduce((total, {weight}) => total + weight, 0)
  for (const [question, {weight}] of answers) {
    if (sum <= most) return
    answers.delete(question)
    sum -= weight
  }
}

// What was read from git once and can never change: how commits lie to each other. It spares a run of git for every branch
// that stands where it stood at the last tick.

const most = 2_000
const known = new WeakMap<object, Map<string, Promise<unknown>>>()

/** The answer that this git gave before to the same question about the same commits, or a new one. */
export async function recall<T>(git: object, question: string, ask: () => Promise<T>): Promise<T> {
  const answers = known.get(git) ?? new Map<string, Promise<unknown>>()
  known.set(git, answers)
  const before = answers.get(question) as Promise<T> | undefined
  answers.delete(question)
  const answer = before ?? ask()
  answers.set(question, answer)
  // The oldest goes first.
  for (const old of answers.keys()) {
    if (answers.size <= most) break
    answers.delete(old)
  }
  try {
    return await answer
  } catch (error) {
    answers.delete(question)
    throw error
  }
}

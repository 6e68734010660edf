// The merges that gates have put under test.
import type {GateCommit} from '../../core/promotion/facts.ts'
import type {Sql} from './store.ts'

export interface StoredGate extends GateCommit {
  /** Candidates whose merges with the same target came before. */
  readonly tested: readonly string[]
}

/** The merge under test of each rule. */
export async function readGates(sql: Sql, rules: readonly string[]): Promise<Map<string, StoredGate>> {
  const rows = await sql.query<StoredGate & {rule: string}>(
    `SELECT g.rule, g.candidate, g.base, g.commit, g.tree, g.same_tree AS "isSameTree",
       ARRAY(SELECT DISTINCT o.candidate FROM promotion_gates o
             WHERE o.rule = g.rule AND o.base = g.base AND o.candidate <> g.candidate ORDER BY 1) AS tested
     FROM unnest($1::text[]) AS r (rule)
     CROSS JOIN LATERAL (SELECT * FROM promotion_gates WHERE promotion_gates.rule = r.rule ORDER BY id DESC LIMIT 1) AS g`,
    [rules],
  )
  return new Map(rows.map(({rule, ...gate}) => [rule, gate]))
}

/** Puts a merge under test. `madeWith`: the version of git and the strategy. */
export async function addGate(tx: Sql, rule: string, gate: GateCommit, madeWith: string): Promise<void> {
  await tx.query(
    `INSERT INTO promotion_gates (rule, candidate, base, commit, tree, same_tree, made_with) VALUES ($1, $2, $3, $4, $5, $6, $7)`,
    [rule, gate.candidate, gate.base, gate.commit, gate.tree, gate.isSameTree, madeWith],
  )
}

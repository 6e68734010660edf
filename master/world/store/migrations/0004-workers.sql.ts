// What a worker tells of its spool: {bytes, limitBytes, policy, cutting, holding, cutBytes}, null for one that tells nothing.
// And why it wants no new builds now; null when it does.
export const up = `
ALTER TABLE workers ADD COLUMN spool jsonb, ADD COLUMN hindered text;
`

package recordbatch

// Batch is a view over exactly one whole record batch v2.
type Batch []byte

"""Training pairs: pictures on disk, on-the-fly degradations, batches that any process can make again."""

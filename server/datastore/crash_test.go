package datastore

const childEnv = "TANDEM_DATASTORE_CHILD"

func child(dir string) {}

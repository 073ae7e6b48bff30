// Package importer is the models section of DIAL's configuration, written from an account or from the
// catalogue, and merged into files that people edit.
//
// What an operator changed is kept and told; what nobody changed keeps its bytes, comments among them.
package importer

// Package helm is values files: written for our chart and for DIAL's, and checked.
//
// [Lint] reads files as Helm does, and on where Helm stops: after a mistake of the YAML it explains the
// line, repairs its own copy of the text, and goes on. [Values] writes what Lint has nothing to say
// about. The facts of DIAL's charts are those of dial 6.4, dial-core 6.0 and dial-extension 3.1
// (https://github.com/epam/ai-dial-helm).
package helm

// Package helm is values files: written for our chart and for DIAL's, and checked.
package helm

package link

// Classifier lets tests have a program.
var Classifier = classifier

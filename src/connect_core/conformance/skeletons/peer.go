// A peer for `connect-core conformance run --stdio`: fill in the four functions.
//
// Each of them takes a request, and returns the outcome and the further members of its answer. "The
// line protocol" in the Connection specification says what both have.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"unicode/utf8"
)

// Request has a member for each one of the protocol. What is not given is nil or empty.
type Request struct {
	ID                                               *int64
	Verb, By, Connection, Action, Scope, Destination string
	Source, Name, Body                               *string
	Scopes                                           []string
	AllowSelf                                        bool        `json:"allow_self"`
	ExpectedVersion                                  json.Number `json:"expected_version"`
}

// Answer holds the members of a JSON object.
type Answer map[string]any

var connections = map[string]any{} // yours, by id

// create creates a Connection to Destination or from the document Body; if ok: "connection".
// Source, Name, Scopes and AllowSelf may be given, too, unless there is a Body.
func create(request Request) Answer { return Answer{"outcome": "unsupported"} }

// act takes the Action on the Connection; ExpectedVersion may be given.
func act(request Request) Answer { return Answer{"outcome": "not-found"} }

// share says whether By may read data of the Scope through the Connection now.
func share(request Request) Answer { return Answer{"outcome": "not-found"} }

// read shows the Connection to By; if ok: "state", an object.
func read(request Request) Answer { return Answer{"outcome": "not-found"} }

var verbs = map[string]func(Request) Answer{
	"create": create, "act": act, "share": share, "read": read,
	"close": func(Request) Answer { connections = map[string]any{}; return Answer{"outcome": "ok"} },
}

// answerTo answers one request. A failure is an answer, too, and the next request is read.
func answerTo(line []byte) (answer []byte) {
	var request Request
	defer func() {
		if err := recover(); err != nil {
			answer, _ = json.Marshal(Answer{"protocol": 1, "id": request.ID, "error": fmt.Sprint(err)})
		}
	}()
	if err := json.Unmarshal(line, &request); err != nil {
		panic(err)
	}
	if request.ID == nil || !utf8.Valid(line) {
		panic("a request has an id, and is in UTF-8")
	}
	members := Answer{"outcome": "unsupported"}
	if verb := verbs[request.Verb]; verb != nil {
		members = verb(request)
	}
	members["protocol"], members["id"] = 1, request.ID
	answer, err := json.Marshal(members)
	if err != nil {
		panic(err)
	}
	return answer
}

func main() {
	input := bufio.NewReader(os.Stdin)
	for line, err := input.ReadBytes('\n'); err == nil; line, err = input.ReadBytes('\n') {
		os.Stdout.Write(append(answerTo(line), '\n'))
	}
}

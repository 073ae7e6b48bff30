package bedrock

// Calls is what serving a model asks of AWS, and so which permissions it takes.
type Calls struct {
	// Base is the foundation model, without geographic prefix; "" where the id does not tell.
	Base string
	// Mantle says that the calls go to the bedrock-mantle host, which has permissions of its own.
	Mantle bool
	// Stream says that a stream may be asked for.
	Stream bool
	// Count says that CountTokens is asked, about Base: with Mantle that of bedrock-mantle, else the runtime's.
	Count bool
	// LookUp says that AWS is asked which model is behind the ARN.
	LookUp bool
}

// Calls says what serving the model asks of AWS, as far as it is known now.
func (m *Model) Calls() Calls {
	v := m.current.Load()
	c := Calls{Base: v.traits.model.Base, Mantle: v.whole.service == serviceMantle, Stream: true, LookUp: m.behind != nil}
	switch v.dialect {
	case speaksNoChat, speaksStability, speaksNoMore:
		c.Stream = false
	case speaksConverse, speaksMessages:
		c.Count = m.Counts()
	}
	return c
}

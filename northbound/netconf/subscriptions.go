package netconf

// subscriptionOperations is the part of operations that is about notifications.
func subscriptionOperations() map[name]parser {
	return map[name]parser{
		{nsNotification, "create-subscription"}: parseCreateSubscription,
	}
}
